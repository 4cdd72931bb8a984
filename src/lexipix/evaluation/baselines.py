"""What the figures stand beside: answers that need no model, and answers that no model could beat."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lexipix.metrics.images import psnr, ssim

Pixels = NDArray[np.uint8]


def quality(images: Pixels, others: Pixels) -> dict[str, float]:
    """Mean PSNR and mean SSIM of pairs of pictures."""
    return {"psnr": float(psnr(images, others).mean()), "ssim": float(ssim(images, others).mean())}


def mean_image(images: Pixels, rows: NDArray[np.intp] | None = None) -> Pixels:
    """The mean of pictures, rounded: uint8 (H, W, 3); what one would answer without looking at all.

    Args:
        images: uint8 (N, H, W, 3).
        rows: Which of them; None: all.
    """
    n_images = len(images) if rows is None else len(rows)
    total = np.zeros(images.shape[1:], np.float64)
    for start in range(0, n_images, 1024):
        part = slice(start, start + 1024)
        total += images[part if rows is None else rows[part]].sum(axis=0, dtype=np.float64)
    mean: Pixels = np.rint(total / n_images).astype(np.uint8)
    return mean


def same_caption_rows(
    asked: pd.DataFrame, pool: pd.DataFrame, seed: int
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Pairs each picture with another real one that has the same caption, or else the same label.

    Args:
        asked: Rows with the columns caption and label; captions may be missing.
        pool: Likewise, the pictures to choose from; none of them may be one of ``asked``.
        seed: Of the draw among several.

    Returns:
        Row numbers of ``asked`` that found a partner, and their partners' in ``pool``.
    """
    rng = np.random.default_rng(seed)
    found, partners = [], []
    by_key: dict[str, dict[Any, Any]] = {
        key: dict(pool.groupby(key).indices) for key in ("caption", "label") if pool[key].notna().any()
    }
    for row in range(len(asked)):
        for key, indices in by_key.items():
            rows = indices.get(asked[key].iloc[row])
            if rows is not None:
                found.append(row)
                partners.append(int(rows[rng.integers(len(rows))]))
                break
    return np.array(found, np.intp), np.array(partners, np.intp)
