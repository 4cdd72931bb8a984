"""What the training loop needs to know of a model, and what it hands back."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn


class Task(Protocol):
    """What the loop needs to know of a model in training.

    One that validation steers has also an attribute ``steering``, see :mod:`lexipix.training.steady`; one
    whose learning rates begin anew has ``restarts``, the shares of the training at which they do; one that is
    shipped as it came until some share of the training is over has ``learns_from``, and nothing of before
    is taken for its best; one whose steps can be recorded on a GPU has ``record()``, see
    :mod:`lexipix.training.cuda_graphs`.

    Attributes:
        modules: Everything with weights that a checkpoint must hold, by name.
        averaged: Names of the modules that are evaluated and shipped as exponential moving averages.
        optimizers: By name; their learning rates are scaled by the schedule.
        n_rows: Training rows to draw batches from.
    """

    modules: Mapping[str, nn.Module]
    averaged: Sequence[str]
    optimizers: Mapping[str, torch.optim.Optimizer]
    n_rows: int

    def step(self, rows: Tensor, progress: float) -> dict[str, Tensor]:
        """Update the weights once on the given rows and give scalar figures; ``progress`` is in [0, 1]."""

    def validate(self) -> dict[str, float]:
        """Figures on validation rows; ``objective`` is the one to minimise."""

    def sheet(self) -> np.ndarray | None:
        """A picture (uint8, H x W x 3) of fixed prompts, or None."""


@dataclass
class TrainingResult:
    """What a training came to.

    Attributes:
        curves: One dict per report: ``images_seen``, ``seconds`` and the figures.
        figures: ``images_seen``, ``seconds``, ``images_per_s``, ``mflop_per_image`` (of a step, see
            :func:`lexipix.training.precision.step_flops`), ``gflops`` (what the machine made of it, 10^9 a
            second, reports included), ``precision``, ``stopped_early``, and the validation of the weights
            that are shipped (``val_objective``, ``val_…``).
        sheet: Samples of the shipped weights, for tasks that show any.
    """

    curves: list[dict[str, float]] = field(default_factory=list)
    figures: dict[str, Any] = field(default_factory=dict)
    sheet: NDArray[np.uint8] | None = None
