"""The contract between the training loop and a model: :class:`TrainingTask` and :class:`TrainingResult`."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.optim import AdamW, Optimizer

from lexipix.data.images import ImageRows
from lexipix.training import workers

Metrics = dict[str, Tensor]
SampleGrid = NDArray[np.uint8]
Batch = TypeVar("Batch")


class Feedback:
    """What validation changes while a training runs: nothing here; see :mod:`lexipix.training.feedback`."""

    keep_best: bool = False  # the weights of the best validation, whatever the training's parameters are
    lr_factor: float = 1.0  # multiplies every learning rate
    sampling_cdf: Tensor | None = None  # cumulative probabilities of the training rows, float64 (n_rows,)
    resampled_fraction: float = 0.0  # of each batch that is drawn by ``sampling_cdf``

    def on_validation(self, learns: bool, bad_validations: int) -> dict[str, float]:
        """Update the attributes by the validations since the best, if the model learns; return metrics."""
        return {}

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Return named tensors and JSON-able values for a checkpoint."""
        tensors = {} if self.sampling_cdf is None else {"feedback/sampling_cdf": self.sampling_cdf}
        return tensors, {"lr_factor": self.lr_factor, "resampled_fraction": self.resampled_fraction}

    def load_state(self, tensors: Mapping[str, Tensor], meta: Mapping[str, Any]) -> None:
        """Restore what :meth:`state` returned."""
        cdf = tensors.get("feedback/sampling_cdf")
        self.sampling_cdf = None if cdf is None else cdf.cpu().clone()
        self.lr_factor, self.resampled_fraction = meta["lr_factor"], meta["resampled_fraction"]


class GraphStep(NamedTuple):
    """The arguments of a :class:`lexipix.training.cuda_graphs.CudaGraphRunner`."""

    update: Callable[..., Metrics]
    inputs: Sequence[Tensor]
    variant: Hashable


class TrainingTask(ABC):
    """A model in training: its data, its losses, its optimizers."""

    modules: Mapping[str, nn.Module]  # everything with weights that a checkpoint must hold, by name
    averaged: Sequence[str]  # modules that are validated and returned as exponential moving averages
    optimizers: Mapping[str, Optimizer]  # by name; their learning rates are scaled by the schedule
    n_rows: int  # training rows to draw batches from
    phases: Sequence[float] = (0.0,)  # progress at which each kind of step begins
    lr_restarts: Sequence[float] = ()  # progress at which the learning rates warm up again
    learns_from: float = 0.0  # progress from which the returned model learns and may be the best
    feedback: Feedback = Feedback()
    uses_cuda_graphs: bool = False  # whether ``graph_step`` returns steps

    @property
    def shard_ends(self) -> tuple[int, ...] | None:
        """The training rows before which the shards of the task's ``images`` end; None without shards."""
        images = getattr(self, "images", None)
        return images.shard_ends if isinstance(images, ImageRows) else None

    @abstractmethod
    def step(self, rows: Tensor, progress: float) -> Metrics:
        """Update the weights once by training rows, int64 (B,), and return scalar metrics.

        ``progress`` is that of the training in images seen, in [0, 1).
        """

    @abstractmethod
    def validate(self) -> dict[str, float]:
        """Return metrics on validation rows; ``objective`` is the one to minimize."""

    def sample_grid(self) -> SampleGrid | None:
        """Return an image of fixed samples, uint8 (H, W, 3), or None where the task shows none."""
        return None

    def graph_step(self, rows: Tensor, progress: float) -> GraphStep | None:
        """Return the step for a CUDA graph, or None where none can hold it."""
        return None


class NetworkTask(TrainingTask):
    """A network whose trainable weights one optimizer updates, by a loss that subclasses compute."""

    grad_clip: float | None = 1.0

    def __init__(
        self, name: str, network: nn.Module, optimizer: Optimizer, n_rows: int, accumulation_steps: int = 1
    ) -> None:
        self.modules, self.averaged, self.n_rows = {name: network}, (name,), n_rows
        self.optimizer, self.accumulation_steps = optimizer, accumulation_steps
        self.optimizers = {name: optimizer}

    def step(self, rows: Tensor, progress: float) -> Metrics:
        batches = micro_batches(rows, self.accumulation_steps)
        return optimizer_step(
            self.optimizer, lambda batch: self.losses(batch, progress), batches, clip=self.grad_clip
        )

    @abstractmethod
    def losses(self, rows: Tensor, progress: float) -> tuple[Tensor, Metrics]:
        """Return the loss of a (micro-)batch, and scalar metrics; arguments as for :meth:`step`."""


def micro_batches(rows: Tensor, steps: int) -> list[Tensor]:
    """Split the rows of a batch (B,) into ``steps`` micro-batches of every ``steps``-th row.

    Strides keep the order of the batch, in which rows with equal captions stand at equal distances.
    """
    return [rows[start::steps] for start in range(steps)]


def optimizer_step(
    optimizer: Optimizer,
    losses: Callable[[Batch], tuple[Tensor, Metrics]],
    batches: Sequence[Batch],
    *,
    clip: float | None = None,
) -> Metrics:
    """Take one optimizer step on the mean loss of several micro-batches; return the mean of their metrics.

    ``losses`` returns the loss of a micro-batch, and scalar metrics. ``clip`` is the largest norm of the
    accumulated gradient. Several :mod:`workers <lexipix.training.workers>` average their gradients.
    """
    weights = [weight for group in optimizer.param_groups for weight in group["params"]]
    optimizer.zero_grad()
    metrics = []
    for batch in batches:
        loss, values = workers.compute_losses(optimizer, losses, batch)
        (loss / len(batches)).backward()
        metrics.append({key: value.detach().float() for key, value in values.items()})
    if clip is not None:
        nn.utils.clip_grad_norm_(weights, clip)
    optimizer.step()
    return {key: torch.stack([values[key] for values in metrics]).mean() for key in metrics[0]}


def adamw(weights: Iterable[Any], lr: float, beta2: float, weight_decay: float) -> AdamW:
    """Return the optimizer of most trainings; ``weights`` may be groups with settings of their own."""
    return AdamW(weights, lr, betas=(0.9, beta2), weight_decay=weight_decay, fused=True)


def trainable(network: nn.Module) -> list[nn.Parameter]:
    """Return the weights that are not frozen."""
    return [weight for weight in network.parameters() if weight.requires_grad]


@dataclass
class TrainingResult:
    """What a training returns beside the trained modules."""

    curves: list[dict[str, float]]  # one row per validation
    metrics: dict[str, Any]  # speed, and the validation of the returned weights as ``val_…``
    sample_grid: SampleGrid | None  # of the returned weights
