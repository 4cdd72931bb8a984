"""Nodes of the ingestion."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from lexipix.config.ingestion import IngestionParameters
from lexipix.config.run import RunParameters
from lexipix.data.ingestion.captioning import ImageCaptioner
from lexipix.data.ingestion.stream import ImageStream, open_stream
from lexipix.engines.base import Engine
from lexipix.engines.local import LOCAL
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
    engine: Engine = LOCAL,
) -> ImageStream:
    """The stream of images with their splits; the image store reads it while it saves it."""
    captioner = partial(load_captioner, ingestion.captioner, pretrained_models)
    return replace(open_stream(ingestion, run.seed, sources, captioner), engine=engine)


def load_captioner(path: str | None, pretrained_models: Captioners) -> ImageCaptioner | None:
    """The exported captioner in a folder; None without a folder."""
    if path is None:
        return None
    from lexipix.inference.onnx_captioner import OnnxCaptioner  # it imports onnxruntime

    return OnnxCaptioner(pretrained_models.captioner(path, "ingestion.captioner"))


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
