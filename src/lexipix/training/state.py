"""Everything that changes while a training runs, and its form in a checkpoint."""

import math
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from lexipix.config.run import RunParameters
from lexipix.config.training import TrainingParameters
from lexipix.training.checkpoint_state import fixed_names, pack_state, unpack_state
from lexipix.training.ema import ExponentialMovingAverage
from lexipix.training.flops import step_flops
from lexipix.training.metric_averager import MetricAverager
from lexipix.training.precision import Precision
from lexipix.training.tasks.base import TrainingTask


class TrainingState:
    """The state of a training, new or from a checkpoint; the task's modules move to the device.

    Args:
        task: What is trained.
        parameters: Of the training.
        run: Device, precision, seed.
        saved: Tensors and values of a checkpoint of the same training, or None.

    Attributes:
        images_seen: So far.
        ema: Averages of the task's weights.
        averager: Metrics since the last validation.
        curves: One row per validation.
        peak_lrs: Peak learning rates of each optimizer's groups.
        flops: Operations per image of an average step.
        best_objective: Of the validations from which the model learns.
        best_weights: Averages at that validation.
        bad_validations: Validations since then.
    """

    def __init__(
        self,
        task: TrainingTask,
        parameters: TrainingParameters,
        run: RunParameters,
        saved: tuple[Mapping[str, Tensor], Mapping[str, Any]] | None,
    ) -> None:
        self.task, self.run = task, run
        self.precision = Precision.from_name(saved[1]["precision"], run) if saved else Precision.of_run(run)
        self.precision.prepare(task.modules)
        self.fixed = fixed_names(task.modules, task.optimizers)
        averaged = {name: task.modules[name] for name in task.averaged}
        self.ema = ExponentialMovingAverage(averaged, parameters.ema_halflife_fraction, self.fixed)
        self.averager = MetricAverager()
        self.curves: list[dict[str, float]] = []
        self.images_seen, self.bad_validations = 0, 0
        self.best_objective, self.best_weights = math.inf, self.ema.snapshot()
        self._start = time.monotonic()
        if saved:
            self._load(*saved)
        else:
            self.peak_lrs = {
                name: [float(group["lr"]) for group in optimizer.param_groups]
                for name, optimizer in task.optimizers.items()
            }
            self.flops = step_flops(task, parameters.batch_size, run, self.precision)
            self._start = time.monotonic()

    @property
    def seconds(self) -> float:
        """Training time so far, that of interrupted processes included."""
        return time.monotonic() - self._start

    @contextmanager
    def evaluating(self) -> Iterator[None]:
        """Inside, modules hold their averages, gradients are off, and random numbers start from the seed."""
        with self.ema.applied(), torch.no_grad(), self.precision.autocast():
            torch.manual_seed(self.run.seed)
            yield

    def record_objective(self, objective: float) -> None:
        """Keep the averages if the objective is the best so far."""
        if objective < self.best_objective:
            self.best_objective, self.best_weights = objective, self.ema.snapshot()
            self.bad_validations = 0
        else:
            self.bad_validations += 1

    def pack(self, fingerprint: str) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Return the tensors and the JSON-able values of a checkpoint."""
        task = self.task
        tensors = pack_state(
            task.modules, task.optimizers, self.fixed, average=self.ema.weights, best=self.best_weights
        )
        feedback_tensors, feedback = task.feedback.state() if task.feedback else ({}, {})
        meta = {
            "fingerprint": fingerprint,
            "precision": self.precision.name,
            "images_seen": self.images_seen,
            "seconds": self.seconds,
            "best_objective": self.best_objective if math.isfinite(self.best_objective) else None,
            "bad_validations": self.bad_validations,
            "curves": self.curves,
            "metric_counts": self.averager.counts,
            "peak_lrs": self.peak_lrs,
            "flops": self.flops,
            "feedback": feedback,
        }
        return tensors | self.averager.tensors() | feedback_tensors, meta

    def _load(self, tensors: Mapping[str, Tensor], meta: Mapping[str, Any]) -> None:
        task = self.task
        unpack_state(
            tensors,
            task.modules,
            task.optimizers,
            self.fixed,
            average=self.ema.weights,
            best=self.best_weights,
        )
        self.averager.load(tensors, meta["metric_counts"])
        if task.feedback:
            task.feedback.load_state(tensors, meta["feedback"])
        self.images_seen, self.bad_validations = meta["images_seen"], meta["bad_validations"]
        self.best_objective = math.inf if meta["best_objective"] is None else meta["best_objective"]
        self.curves, self.flops = list(meta["curves"]), meta["flops"]
        self.peak_lrs = {name: list(meta["peak_lrs"][name]) for name in task.optimizers}
        self._start -= meta["seconds"]
