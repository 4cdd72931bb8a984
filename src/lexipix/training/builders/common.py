"""A training before its first step, and the outputs of a finished one."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from torch import nn

from lexipix.config.run import Parameters
from lexipix.training.bundles import to_bundle
from lexipix.training.tasks.base import TrainingResult, TrainingTask
from lexipix.utils.skipped_model import skipped, untrained
from lexipix.utils.types import ModelBundle

Outputs = tuple[ModelBundle, pd.DataFrame, dict[str, Any], NDArray[np.uint8]]


@dataclass(frozen=True)
class TrainingSetup:
    """A training before its first step.

    Attributes:
        task: What the loop trains.
        network: The part of it that is shipped.
        config: From which the network can be built again.
    """

    task: TrainingTask
    network: nn.Module
    config: dict[str, Any]


def outputs(
    kind: str, setup: TrainingSetup, result: TrainingResult, parameters: Parameters, digest: str, **extra: Any
) -> Outputs:
    """Return the outputs of a training: model, curves, metrics, and the last sample grid."""
    bundle = to_bundle(
        kind,
        setup.network,
        setup.config,
        card_parameters=parameters,
        data_digest=digest,
        figures=result.metrics,
        tokenizer=extra.pop("tokenizer", None),
        max_tokens=extra.pop("max_tokens", None),
        **extra,
    )
    assert result.sample_grid is not None
    return bundle, pd.DataFrame(result.curves), result.metrics, result.sample_grid


def skipped_outputs(key: str) -> Outputs:
    """Return the outputs of a training that the parameter ``key`` leaves out: no model, and an empty grid."""
    return skipped(f"{key} is false"), *untrained(), np.full((8, 8, 3), 255, np.uint8)
