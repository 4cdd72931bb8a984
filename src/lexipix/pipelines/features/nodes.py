"""Steps of the features stage."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lexipix.config.features import FeaturesParameters
from lexipix.config.run import RunParameters
from lexipix.models.contrastive_pair import ContrastivePair
from lexipix.training.builders.common import PretrainedModels, run_training
from lexipix.training.builders.contrastive_pair import build_contrastive_pair
from lexipix.training.bundles import load_network
from lexipix.training.embedding import embed_images
from lexipix.training.precision import resolve_device
from lexipix.utils.types import CheckpointStore, ImageSplits, MetricStream, ModelBundle


def train_features(
    features: FeaturesParameters,
    run: RunParameters,
    image_splits: ImageSplits,
    pretrained_models: PretrainedModels,
    stream: MetricStream,
    checkpoints: CheckpointStore,
) -> tuple[ModelBundle, pd.DataFrame, dict[str, Any]]:
    """Trains image encoder and text encoder on the captioned images; also returns curves and metrics."""
    setup = build_contrastive_pair(run, features, image_splits, pretrained_models)
    return run_training("features", "features", setup, run, image_splits.digest, stream, checkpoints)[:3]


def export_features(
    run: RunParameters, contrastive_pair: ModelBundle, image_splits: ImageSplits
) -> dict[str, NDArray[np.float32]]:
    """Returns unit embeddings, float32 (N, D), of the images of train, val and test."""
    pair = load_network(contrastive_pair, ContrastivePair)
    splits = ("train", "val", "test")
    return {name: embed_images(pair, image_splits[name].images, resolve_device(run)) for name in splits}
