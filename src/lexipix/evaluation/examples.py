"""Which test pictures are shown, and the table of them with their captions."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lexipix.config.evaluation import EvaluationParameters
from lexipix.evaluation.measure import Evaluated, extremes
from lexipix.metrics.images import ssim

Pixels = NDArray[np.uint8]
THUMBNAIL = 128  # pixels of a small picture in the table, about what the MLflow UI gives it


def choose_rows(
    real: Evaluated, drawn: Mapping[str, Pixels], evaluation: EvaluationParameters
) -> dict[str, list[int]]:
    """Choose test pictures to show.

    Returns:
        Rows by how they were chosen: ``fixed`` (evenly spread, the same in every run on the same data),
        ``best`` and ``worst`` (by the mean SSIM of the two text paths).
    """
    n_images = len(real.images)
    fixed = np.unique(np.linspace(0, n_images - 1, min(n_images, evaluation.n_shown)).astype(int)).tolist()
    # Not by the champion's pictures too: it is a form of one of the two, and its family would count twice
    best, worst = extremes(real, {path: drawn[path] for path in ("vae", "gan")}, evaluation.n_extremes)
    return {"fixed": fixed, "best": best, "worst": worst}


def tabulate_captions(
    real: Evaluated, drawn: Mapping[str, Pixels], evaluation: EvaluationParameters
) -> pd.DataFrame:
    """A row for each picture shown: what it is, what was said of it and what the champion drew from that.

    Returns:
        ``picture`` (uint8 (H, W, 3), enlarged), ``caption`` (the captioner's), ``drawn`` (like ``picture``),
        ``truth``, ``shown`` (how it was chosen), ``ssim_PATH`` for each path, and ``file``.
    """
    shown = [(row, how) for how, rows in choose_rows(real, drawn, evaluation).items() for row in rows]
    rows = [row for row, _ in shown]
    table = pd.DataFrame(
        {
            "picture": [_enlarge(image) for image in real.images[rows]],
            "caption": [real.asked[row] for row in rows],
            "drawn": [_enlarge(image) for image in drawn["champion"][rows]],
            "truth": [real.truths[row] for row in rows],
            "shown": [how for _, how in shown],
        }
    )
    for path, images in drawn.items():
        table[f"ssim_{path}"] = np.round(ssim(real.images[rows], images[rows]), 3)
    return table.assign(file=[str(file) for file in real.table["file"].iloc[rows]])


def _enlarge(image: Pixels) -> Pixels:
    """Every pixel becomes a square of whole pixels; a large picture stays as it is."""
    scale = max(1, THUMBNAIL // max(image.shape[:2]))
    return image.repeat(scale, axis=0).repeat(scale, axis=1)
