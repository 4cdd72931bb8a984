"""The test images under evaluation, with their reference captions and the prompts of the text path."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lexipix.config.evaluation import EvaluationParameters
from lexipix.data.images import evenly_spaced
from lexipix.evaluation.caption_metrics import is_scenes
from lexipix.scenes import SceneTruth
from lexipix.utils.errors import LexipixError
from lexipix.utils.types import ImageSplits

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class EvaluatedImages:
    """The images under evaluation and what is known about them.

    Attributes:
        images: uint8 (N, H, W, 3), real.
        table: Their rows of ``captions.parquet``.
        references: The true captions; None for an image without one.
        prompts: The captioner's captions, which the text path draws from.
        scenes: The scenes of the true captions for the embedded scenes, else None.
    """

    images: Pixels
    table: pd.DataFrame
    references: Sequence[str | None]
    prompts: Sequence[str]
    scenes: SceneTruth | None


def select_evaluated_images(
    evaluation: EvaluationParameters, image_splits: ImageSplits, test_captions: pd.DataFrame
) -> EvaluatedImages:
    """Returns at most ``evaluation.n_images`` test images with their true and their generated captions.

    ``test_captions`` are those of the whole test split, with the columns file and caption.

    Raises:
        LexipixError: The captions belong to other images.
    """
    test = image_splits.test
    if test_captions["file"].tolist() != test.captions["file"].tolist():
        raise LexipixError(
            "The generated captions belong to other test images than those of the last ingestion: run "
            "`kedro run --pipelines captioner` again."
        )
    indices = evenly_spaced(len(test), evaluation.n_images)
    table = test.captions.iloc[indices].reset_index(drop=True)
    references = reference_captions(table)
    images = test.images[slice(None) if len(indices) == len(test) else indices]
    prompts = [str(text) for text in test_captions["caption"].iloc[indices]]
    scenes = None
    if is_scenes(image_splits.summary) and all(references):
        scenes = SceneTruth.of([str(text) for text in references], images.shape[1])
    return EvaluatedImages(images, table, references, prompts, scenes)


def reference_captions(table: pd.DataFrame) -> list[str | None]:
    """Returns the true caption of each row, withheld or not; None for an image without one."""
    captions = table["caption"].where(table["caption"].notna(), table["withheld_caption"])
    return [text if isinstance(text, str) else None for text in captions]
