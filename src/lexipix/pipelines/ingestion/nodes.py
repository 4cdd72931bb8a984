"""Nodes of the ingestion."""

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from lexipix.config.ingestion import IngestionParameters
from lexipix.config.run import RunParameters
from lexipix.data.ingestion.stream import PictureStream
from lexipix.reporting.contact_sheet import contact_sheet
from lexipix.reporting.text import first_drawable
from lexipix.utils.types import SPLITS, ImageSplits, OnnxModel, OpenedSource


class Captioners(Protocol):
    """The object of the catalog entry ``pretrained_models``, which reads exported captioners."""

    def captioner(self, path: str, key: str) -> OnnxModel: ...


def ingest(
    ingestion: IngestionParameters,
    run: RunParameters,
    sources: Callable[[IngestionParameters, int], OpenedSource],
    pretrained_models: Captioners,
) -> PictureStream:
    """The stream of images with their splits; the image store reads it while it saves it."""
    captioner = None
    if ingestion.captioner is not None:
        # It imports onnxruntime, which the others need not
        from lexipix.inference.onnx_captioner import OnnxCaptioner

        captioner = OnnxCaptioner(pretrained_models.captioner(ingestion.captioner, "ingestion.captioner"))
    return PictureStream(sources(ingestion, run.seed), ingestion, captioner)


def describe_images(image_splits: ImageSplits) -> tuple[dict[str, Any], Any, NDArray[np.uint8]]:
    """The summary, the table of rejects (file, reason), and a contact sheet of training images."""
    summary = dict(image_splits.summary)
    examples = summary["examples"]
    images = np.stack([image_splits.train.images[example["row"]] for example in examples])
    paraphrases = image_splits.train.captions["paraphrases"]
    captions = [
        # A paraphrase or the file name if no font can draw the caption
        first_drawable([example["caption"] or "(no caption)", *paraphrases[example["row"]]], example["file"])
        for example in examples
    ]
    counts = ", ".join(f"{summary[f'n_{split}']:,} {split}" for split in SPLITS)
    title = f"{summary['source']}: {counts}; {summary['rejected']:,} rejected"
    scale = max(1, 96 // summary["image_size"])
    sheet = contact_sheet(images, captions, columns=8, scale=scale, title=title)
    return summary, image_splits.rejects, sheet
