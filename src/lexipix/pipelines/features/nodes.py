"""Steps of the features stage."""

from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lexipix.config.features import FeaturesParameters
from lexipix.config.run import RunParameters
from lexipix.engines.base import Engine
from lexipix.engines.local import LOCAL
from lexipix.training.builders.common import PretrainedModels, TrainingJob, run_training
from lexipix.training.builders.contrastive_pair import build_contrastive_pair
from lexipix.training.embedding import embed_splits
from lexipix.utils.types import CheckpointStore, ImageSplits, MetricStream, ModelBundle


def train_features(
    features: FeaturesParameters,
    run: RunParameters,
    image_splits: ImageSplits,
    pretrained_models: PretrainedModels,
    stream: MetricStream,
    checkpoints: CheckpointStore,
    engine: Engine = LOCAL,
) -> tuple[ModelBundle, pd.DataFrame, dict[str, Any]]:
    """Trains image encoder and text encoder on the captioned images; also returns curves and metrics."""
    build = partial(build_contrastive_pair, run, features, image_splits, pretrained_models)
    job = TrainingJob("features", "features", build, features.training, run, image_splits.digest)
    return run_training(job, stream, checkpoints, engine)[:3]


def export_features(
    run: RunParameters, contrastive_pair: ModelBundle, image_splits: ImageSplits, engine: Engine = LOCAL
) -> dict[str, NDArray[np.float32]]:
    """Returns unit embeddings, float32 (N, D), of the images of train, val and test."""
    return embed_splits(contrastive_pair, image_splits, ("train", "val", "test"), run, engine)
