"""Compare every stage with what a user would otherwise write.

    make bench            or: python benchmarks/stages.py [--env ENV] [--repeats 3] [--only training …]

Ingestion is compared with the library `datasets`; captioning with `generate` of transformers and the same
model; the metrics with a loop over scikit-image; training with a bare PyTorch loop and with the time of the
network's matrix products alone; Kedro and `dvc repro` with a nearly empty project.

The two sides alternate in one process with the same threads. Values are medians, with minimum and maximum.
"Times as fast" is the median of paired ratios. Commands are measured in seconds. Both sides write the same
captions. The network's convolutions and matrix products are timed alone, with the same shapes and layouts.
"""

# ruff: noqa: T201

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from record import REPOSITORY, Row, plot_ratios, save
from turns import as_shown

STAGES = ("ingestion", "captioning", "evaluation", "training", "startup")


def main() -> None:
    """Print the table and the path of its file."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--env", help="environment of the models [default: base]")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=0, help="0: all cores")
    parser.add_argument("--only", nargs="+", choices=STAGES, default=STAGES)
    parser.add_argument("--out", type=Path, default=REPOSITORY / "data/08_reporting/benchmarks")
    arguments = parser.parse_args()
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as folder:
        for name, measure in plan(arguments.env, arguments.repeats, Path(folder)).items():
            if name in arguments.only:
                print(f"{name} …", file=sys.stderr, flush=True)
                rows += measure()
    facts = {"threads": torch.get_num_threads(), "repeats": arguments.repeats}
    page = save(
        "stages", rows, facts, arguments.out, (__doc__ or "").split("\n\n")[-1], as_shown(rows),
        images={"stages": draw(rows)},
    )  # fmt: skip
    print(page.read_text(encoding="utf-8"))
    print(f"Written to {page}, .json and .png; in MLflow under the experiment benchmarks.")


def draw(rows: list[Row]) -> NDArray[np.uint8]:
    """Draw the ratios of all rows as bars, uint8 (H, W, 3)."""
    return plot_ratios(
        [row["stage"] for row in rows],
        [(row["ratio median"], row["ratio min"], row["ratio max"]) for row in rows],
        [row.get("bar") for row in rows],
        "times as fast as what a user would otherwise write",
    )


def plan(env: str | None, repeats: int, folder: Path) -> dict[str, Callable[[], list[Row]]]:
    """Return the function that measures each stage; each imports only what its stage needs."""

    def ingestion() -> list[Row]:
        from stage_images import ingestion

        return ingestion(folder / "ingestion", 2000, repeats)

    def captioning() -> list[Row]:
        from stage_captioning import captioning

        return captioning(env, 512, repeats)

    def evaluation() -> list[Row]:
        from stage_images import evaluation

        return evaluation(4000, repeats)

    def training() -> list[Row]:
        from stage_training import training

        return training(env, 20, repeats)

    def startup() -> list[Row]:
        from stage_startup import startup

        return startup(folder / "startup", repeats)

    return dict(zip(STAGES, (ingestion, captioning, evaluation, training, startup), strict=True))


if __name__ == "__main__":
    main()
