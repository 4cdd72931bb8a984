"""A training before its first step, and its run to a trained model."""

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import pandas as pd
import torch
from tokenizers import Tokenizer
from torch import Tensor

from lexipix.config.run import RunParameters
from lexipix.config.training import TrainingParameters
from lexipix.data.images import ImageRows, Images
from lexipix.data.tokenization import n_tokens
from lexipix.engines.base import Engine
from lexipix.models.configurable_network import ConfigurableNetwork
from lexipix.training.bundles import fingerprint, to_bundle
from lexipix.training.loop import train
from lexipix.training.tasks.base import SampleGrid, TrainingTask
from lexipix.utils.skipped_model import skipped, untrained
from lexipix.utils.types import (
    CheckpointStore,
    ImageSplits,
    MetricStream,
    ModelBundle,
    PretrainedBackbone,
    PretrainedLanguageModel,
    PretrainedSentenceEncoder,
)

logger = logging.getLogger(__name__)

PCA_IMAGES = 2000  # more make no visible difference
Outputs = tuple[ModelBundle, pd.DataFrame, dict[str, Any], SampleGrid]


class PretrainedModels(Protocol):
    """What the catalog entry ``pretrained_models`` reads, from a folder or by name."""

    def backbone(self, path: str, key: str) -> PretrainedBackbone: ...

    def tokenizer(self, path: str, key: str) -> str: ...

    def language_model(self, path: str, key: str) -> PretrainedLanguageModel: ...

    def sentence_encoder(self, path: str, key: str) -> PretrainedSentenceEncoder: ...


@dataclass(frozen=True)
class TrainingSetup:
    """A training before its first step.

    The ``inputs`` are what else decides the weights: further parameters, models that the training starts
    from. The ``bundle`` holds the tokenizer and further keys of ``config.json``; see :func:`to_bundle`.
    """

    task: TrainingTask
    network: ConfigurableNetwork  # the part of the task that is returned
    config: dict[str, Any]  # from which the network can be built again
    parameters: Any
    inputs: tuple[Any, ...] = ()
    bundle: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class TrainingJob:
    """A training that can cross to another process, where ``build`` makes the setup.

    ``build`` is a partial of a function that can be imported. ``key`` is that of the parameters, ``digest``
    that of the data.
    """

    name: str
    key: str
    build: Callable[[], TrainingSetup]
    training: TrainingParameters
    run: RunParameters
    digest: str


def run_training(
    job: TrainingJob, stream: MetricStream, checkpoints: CheckpointStore, engine: Engine
) -> Outputs:
    """Train a model; return it, its curves and metrics, and the last sample grid, empty if it shows none."""
    micro_batches = getattr(job.training, "gradient_accumulation_steps", 1)
    return engine.train(train_job, job, job.training.batch_size // micro_batches, stream, checkpoints)


def train_job(job: TrainingJob, stream: MetricStream, checkpoints: CheckpointStore) -> Outputs:
    """Build a model and train it, alone or as one of several :mod:`workers <lexipix.training.workers>`."""
    name, run, setup = job.name, job.run, job.build()
    parameters, digest = setup.parameters, job.digest
    result = train(
        setup.task,
        job.training.shortened(run.training_share),
        run,
        name=name,
        key=f"{job.key}.training",
        fingerprint=fingerprint(name, parameters, run, digest, *setup.inputs),
        stream=stream,
        checkpoints=checkpoints,
    )
    bundle = to_bundle(
        setup.network.kind,
        setup.network,
        setup.config,
        card_parameters=parameters,
        data_digest=digest,
        metrics=result.metrics,
        **setup.bundle,
    )
    grid = _empty_grid() if result.sample_grid is None else result.sample_grid
    return bundle, pd.DataFrame(result.curves), result.metrics, grid


def skipped_outputs(key: str) -> Outputs:
    """Return the outputs of a training that the parameter ``key`` leaves out: no model, and an empty grid."""
    return skipped(f"{key} is false"), *untrained(), _empty_grid()


def _empty_grid() -> SampleGrid:
    return np.full((8, 8, 3), 255, np.uint8)


def report_cut_captions(tokenizer: Tokenizer, captions: Iterable[str], max_tokens: int, key: str) -> None:
    """Log how many captions are longer than ``max_tokens``, of which a network reads the beginning only."""
    distinct = list(dict.fromkeys(captions))
    # A token has a byte at least, and the ends of a text have two tokens at most
    long = [caption for caption in distinct if len(caption.encode()) + 2 > max_tokens]
    n_cut = int((n_tokens(tokenizer, long) > max_tokens).sum())
    if n_cut:
        logger.warning(
            "%s of %s captions have more than %d tokens (%s): the rest of them is not read.",
            f"{n_cut:,}",
            f"{len(distinct):,}",
            max_tokens,
            key,
        )


def image_shape(image_splits: ImageSplits) -> dict[str, int]:
    """Return ``image_size`` and ``image_channels`` (3, or 4 with alpha) of the images."""
    _, size, _, channels = image_splits.train.images.shape
    return {"image_size": int(size), "image_channels": int(channels)}


def pca_sample(images: Images) -> Tensor:
    """Return images from which linear maps start as principal components, in [-1, 1]: (N, C, S, S)."""
    return ImageRows(images, torch.device("cpu"))[torch.arange(min(len(images), PCA_IMAGES))]
