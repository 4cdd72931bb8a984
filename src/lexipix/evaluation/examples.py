"""The test images that the report shows, and their table."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from lexipix.config.evaluation import EvaluationParameters
from lexipix.evaluation.evaluated_images import EvaluatedImages, Pixels
from lexipix.metrics.images import ssim
from lexipix.reporting.contact_sheet import enlarge
from lexipix.reporting.report import Gallery
from lexipix.utils.alpha import on_checkerboard

THUMBNAIL = 128  # pixels of an image in the table, about its size in the MLflow UI
SAME = "Evenly spaced test images, the same in every run on these data."
# Title and note of each gallery, by how its images were chosen
GALLERIES = {
    "fixed": ("The same images by all paths", SAME),
    "best": ("Best", "Test images with the highest mean SSIM of the text paths."),
    "worst": ("Worst", "Test images with the lowest mean SSIM of the text paths. Look here first."),
}


def choose_rows(
    real: EvaluatedImages, drawn: Mapping[str, Pixels], evaluation: EvaluationParameters
) -> dict[str, list[int]]:
    """Chooses test images to show.

    Returns:
        Indices by how they were chosen: ``fixed`` (evenly spaced, the same in every run on the same data),
        ``best`` and ``worst`` (by the mean SSIM of the VAE and the GAN).
    """
    n_images = len(real.images)
    fixed = np.unique(np.linspace(0, n_images - 1, min(n_images, evaluation.n_shown)).astype(int)).tolist()
    # Without the champion, which is a variant of one of the two: its family would count twice
    means = np.mean([ssim(real.images, drawn[path]) for path in ("vae", "gan")], axis=0)
    order = np.argsort(-means, kind="stable").tolist()
    n_extremes = min(evaluation.n_extremes, n_images // 2)
    return {"fixed": fixed, "best": order[:n_extremes], "worst": order[::-1][:n_extremes]}


def galleries(
    real: EvaluatedImages, direct: Pixels, drawn: Mapping[str, Pixels], evaluation: EvaluationParameters
) -> list[Gallery]:
    """Returns the images shown, by the direct path and all text paths, with the SSIM of each version."""
    found = []
    for how, rows in choose_rows(real, drawn, evaluation).items():
        text = {f"text: {path}": images[rows] for path, images in drawn.items()}
        columns: dict[str, Any] = {"original": real.images[rows], "direct": direct[rows]}
        columns |= {"caption": [real.prompts[row] for row in rows]} | text
        similarities = {name: ssim(columns["original"], columns[name]) for name in ("direct", *text)}
        lines = [[f"SSIM {value:.3f} {name}" for value in values] for name, values in similarities.items()]
        found.append(Gallery(*GALLERIES[how], columns, ["\n".join(row) for row in zip(*lines, strict=True)]))
    return found


def tabulate_captions(
    real: EvaluatedImages, drawn: Mapping[str, Pixels], evaluation: EvaluationParameters
) -> pd.DataFrame:
    """Returns a row for each image shown, with its captions and the champion's image of the generated one.

    Returns:
        ``picture`` (uint8 (H, W, 3), enlarged), ``caption`` (the captioner's), ``drawn`` (like ``picture``),
        ``truth``, ``shown`` (how it was chosen), ``ssim_PATH`` for each path, and ``file``.
    """
    shown = [(row, how) for how, rows in choose_rows(real, drawn, evaluation).items() for row in rows]
    rows = [row for row, _ in shown]
    scale = max(1, THUMBNAIL // max(real.images.shape[1:3]))
    table = pd.DataFrame(
        {
            "picture": [enlarge(image, scale) for image in on_checkerboard(real.images[rows])],
            "caption": [real.prompts[row] for row in rows],
            "drawn": [enlarge(image, scale) for image in on_checkerboard(drawn["champion"][rows])],
            "truth": [real.references[row] for row in rows],
            "shown": [how for _, how in shown],
        }
    )
    for path, images in drawn.items():
        table[f"ssim_{path}"] = np.round(ssim(real.images[rows], images[rows]), 3)
    return table.assign(file=[str(file) for file in real.table["file"].iloc[rows]])
