"""PSNR and SSIM of 10,000 pairs of 32x32 pictures: ours against a plain loop over scikit-image.

    python benchmarks/metrics.py [--pairs 10000] [--repeats 7]

The two take turns, so that a slow moment of the machine meets both; the ratio is the median of the paired
ratios.
"""

# ruff: noqa: T201

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.metrics.reference import psnr_and_ssim

from lexipix.metrics.images import psnr, ssim


def main() -> None:
    """Prints medians, extremes and the largest difference between the two."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=10_000)
    parser.add_argument("--repeats", type=int, default=7)
    arguments = parser.parse_args()

    ours, theirs, difference = compare(arguments.pairs, arguments.repeats)
    ratios = np.array(theirs) / np.array(ours)
    print(f"PSNR + SSIM of {arguments.pairs:,} pairs of 32x32x3, {os.cpu_count()} cores")
    for name, seconds in (("lexipix", ours), ("scikit-image loop", theirs)):
        rate = arguments.pairs / np.array(seconds)
        print(f"{name:18} {np.median(rate):9,.0f} pairs/s   ({rate.min():,.0f} to {rate.max():,.0f})")
    print(f"{'ratio':18} {np.median(ratios):9.1f}           ({ratios.min():.1f} to {ratios.max():.1f})")
    print(f"largest difference {difference:.1e}; {arguments.repeats} repeats, medians and extremes")


def compare(n_pairs: int, repeats: int) -> tuple[list[float], list[float], float]:
    """Seconds of lexipix and of the loop, in turns, and the largest difference between their figures."""
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (n_pairs, 8, 8, 3), dtype=np.uint8)
    images = np.repeat(np.repeat(coarse, 4, axis=1), 4, axis=2)
    others = np.clip(images + rng.normal(0, 8, images.shape), 0, 255).astype(np.uint8)

    ours, theirs, difference = [], [], 0.0
    psnr(images, others), ssim(images, others)  # the first call pays for the memory it asks for
    for _ in range(repeats):
        start = time.perf_counter()
        figures = psnr(images, others), ssim(images, others)
        ours.append(time.perf_counter() - start)
        start = time.perf_counter()
        reference = psnr_and_ssim(images, others)
        theirs.append(time.perf_counter() - start)
        difference = max(
            difference, *(float(np.abs(a - b).max()) for a, b in zip(figures, reference, strict=True))
        )
    return ours, theirs, difference


if __name__ == "__main__":
    main()
