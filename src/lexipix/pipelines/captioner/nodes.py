"""Steps of the captioner."""

from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lexipix.config.captioner import CaptionerParameters
from lexipix.config.run import RunParameters
from lexipix.engines.base import Engine
from lexipix.engines.local import LOCAL
from lexipix.evaluation.attention import attention_arrays, attention_maps, attention_sheet
from lexipix.evaluation.caption_metrics import measure_test_captions
from lexipix.evaluation.captioning import caption_test_split, fill_missing_captions
from lexipix.training.builders.captioner import build_captioner
from lexipix.training.builders.common import PretrainedModels, TrainingJob, run_training
from lexipix.utils.types import CheckpointStore, ImageSplits, MetricStream, ModelBundle


def train_captioner(
    captioner: CaptionerParameters,
    run: RunParameters,
    image_splits: ImageSplits,
    contrastive_pair: ModelBundle,
    pretrained_models: PretrainedModels,
    stream: MetricStream,
    checkpoints: CheckpointStore,
    engine: Engine = LOCAL,
) -> tuple[ModelBundle, pd.DataFrame]:
    """Trains a language model on the captions of the training images; also returns the curves."""
    build = partial(build_captioner, run, captioner, image_splits, contrastive_pair, pretrained_models)
    job = TrainingJob("captioner", "captioner", build, captioner.training, run, image_splits.digest)
    return run_training(job, stream, checkpoints, engine)[:2]


def caption_missing(
    parameters: CaptionerParameters,
    run: RunParameters,
    captioner: ModelBundle,
    image_splits: ImageSplits,
    engine: Engine = LOCAL,
) -> pd.DataFrame:
    """Writes captions for the training images without one; returns the table of the training split.

    A caption is filled in if the captioner's confidence is at least ``captioner.min_confidence``.
    """
    return fill_missing_captions(
        captioner, image_splits, run, parameters.beams, parameters.min_confidence, engine
    )


def caption_test(
    parameters: CaptionerParameters,
    run: RunParameters,
    captioner: ModelBundle,
    image_splits: ImageSplits,
    captions_complete: pd.DataFrame,
    engine: Engine = LOCAL,
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Writes captions for the test images; returns a table (file, caption, truth), and metrics.

    ``images_per_s`` is the rate of training, ``captions_per_s`` that of writing captions.
    """
    table, captions_per_s = caption_test_split(captioner, image_splits, run, parameters.beams, engine)
    metrics = measure_test_captions(table, captions_complete, image_splits.summary)
    return table, {**captioner.card["metrics"], **metrics, "captions_per_s": captions_per_s}


def show_attention(
    parameters: CaptionerParameters, run: RunParameters, captioner: ModelBundle, image_splits: ImageSplits
) -> tuple[dict[str, Any], NDArray[np.uint8]]:
    """Shows which part of the image the captioner attends to for each word of some test captions.

    Returns ``maps`` float32 (N, longest caption, h, w), ``words`` and ``files``; and a contact sheet.
    """
    images = np.asarray(image_splits.test.images[: parameters.attention_images])
    files = [str(file) for file in image_splits.test.captions["file"].iloc[: len(images)]]
    words, maps = attention_maps(captioner, images, run, parameters.beams)
    return attention_arrays(files, words, maps), attention_sheet(images, words, maps)
