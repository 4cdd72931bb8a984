"""Everything that changes while a training runs, and its form in a checkpoint."""

import math
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from lexipix.config.run import RunParameters
from lexipix.config.training import TrainingParameters
from lexipix.training import workers
from lexipix.training.checkpoint_state import cloned, fixed_names, live_state, pack_state, unpack_state
from lexipix.training.flops import StepCost, matmul_gflops, step_cost
from lexipix.training.precision import Precision
from lexipix.training.tasks.base import TrainingTask


class ExponentialMovingAverage:
    """Averaged copies of the weights and buffers of some modules.

    The half-life is a fraction of the images seen so far (EDM's ramp, arXiv 2206.00364), so that early
    weights are soon forgotten. Buffers (batch-norm statistics) are averaged like weights; integer buffers are
    copied. Weights with ``fixed`` names never change and need no average.
    """

    def __init__(
        self, modules: Mapping[str, nn.Module], halflife_fraction: float, fixed: frozenset[str] = frozenset()
    ) -> None:
        self.modules, self.halflife_fraction, self.fixed = dict(modules), halflife_fraction, fixed
        self.weights = cloned(self._state())

    def _state(self) -> dict[str, Tensor]:
        return live_state(self.modules, self.fixed)

    @torch.no_grad()
    def update(self, images_seen: int, batch_size: int) -> None:
        """Move the averages towards the current weights after a step of ``batch_size`` images."""
        beta = 0.5 ** (batch_size / max(self.halflife_fraction * images_seen, 1e-9))
        current = self._state()
        floating = [key for key, value in current.items() if value.is_floating_point()]
        torch._foreach_lerp_([self.weights[k] for k in floating], [current[k] for k in floating], 1 - beta)
        for key, value in current.items():
            if not value.is_floating_point():
                self.weights[key].copy_(value)

    @torch.no_grad()
    def restore(self, weights: Mapping[str, Tensor]) -> None:
        current = self._state()
        for key, value in weights.items():
            current[key].copy_(value)

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Inside, the modules hold the averages in evaluation mode; afterwards they are as before."""
        training = {name: module.training for name, module in self.modules.items()}
        live = cloned(self._state())
        self.restore(self.weights)
        for module in self.modules.values():
            module.eval()
        try:
            yield
        finally:
            self.restore(live)
            for name, module in self.modules.items():
                module.train(training[name])


class MetricAverager:
    """Sums metrics as tensors on their device, so that no step waits for a GPU."""

    def __init__(self) -> None:
        self.sums: dict[str, Tensor] = {}
        self.counts: dict[str, int] = {}  # steps that reported each metric since the last mean
        self.latest: Mapping[str, Tensor] = {}  # of the last step

    def add(self, metrics: Mapping[str, Tensor]) -> None:
        self.latest = metrics
        for key, metric in metrics.items():
            value = metric.detach().float()
            self.sums[key] = self.sums[key] + value if key in self.sums else value.clone()
            self.counts[key] = self.counts.get(key, 0) + 1

    def mean(self) -> dict[str, float]:
        """Return the mean of each metric, and start anew."""
        means = {key: float(total) / self.counts[key] for key, total in self.sums.items()}
        self.sums, self.counts = {}, {}
        return means

    def is_finite(self) -> bool:
        """Whether every metric of the last step is finite."""
        return all(math.isfinite(float(value.detach())) for value in self.latest.values())


class TrainingState:
    """The state of a training, new or from a checkpoint ``saved``; the task's modules move to the device.

    ``averager`` has the metrics since the last validation, ``curves`` a row for each. The ``best_weights``
    are the averages at the validation of the ``best_objective``, and ``bad_validations`` the number since.
    ``validation_seconds`` are those of this process.
    ``peak_lrs`` are those of each optimizer's groups, ``cost`` that of an average step, ``machine_gflops``
    the rate of matrix products on this machine.
    """

    def __init__(
        self,
        task: TrainingTask,
        parameters: TrainingParameters,
        run: RunParameters,
        saved: tuple[Mapping[str, Tensor], Mapping[str, Any]] | None,
    ) -> None:
        self.task, self.parameters, self.run = task, parameters, run
        self.precision = Precision.from_name(saved[1]["precision"], run) if saved else Precision.of_run(run)
        self.precision.prepare(task.modules)
        if self.precision.device.type == "cuda":
            workers.synchronize_batch_norm(task.modules)
        self.machine_gflops = workers.n_workers() * matmul_gflops(self.precision)
        fixed = fixed_names(task.modules, task.optimizers)
        averaged = {name: task.modules[name] for name in task.averaged}
        self.ema = ExponentialMovingAverage(averaged, parameters.ema_halflife_fraction, fixed)
        self.averager = MetricAverager()
        self.curves: list[dict[str, float]] = []
        self.validation_seconds = 0.0
        self.images_seen, self.bad_validations = 0, 0
        self.best_objective: float | None = None
        self.best_weights = cloned(self.ema.weights)
        if saved:
            self._load(*saved)
        else:
            self.peak_lrs = {
                name: [float(group["lr"]) for group in optimizer.param_groups]
                for name, optimizer in task.optimizers.items()
            }
            self.cost = step_cost(task, parameters.batch_size, run, self.precision)
            self._start = time.monotonic()

    @property
    def planned_seconds(self) -> float:
        """What all steps take at the pace of those that were tried."""
        return self.cost.seconds * self.parameters.num_images

    @property
    def seconds(self) -> float:
        """Training time so far, that of interrupted processes included."""
        return time.monotonic() - self._start

    @contextmanager
    def evaluating(self) -> Iterator[None]:
        """Hold averages, compute no gradients and begin with the seed's random numbers inside."""
        with self.ema.applied(), torch.no_grad(), self.precision.autocast():
            torch.manual_seed(self.run.seed)
            yield

    def record_objective(self, objective: float) -> None:
        """Keep the averages if the objective is the best so far."""
        if self.best_objective is None or objective < self.best_objective:
            self.best_objective, self.best_weights = objective, cloned(self.ema.weights)
            self.bad_validations = 0
        else:
            self.bad_validations += 1

    def _weights(self) -> dict[str, Mapping[str, Tensor]]:
        live = live_state(self.task.modules, self.ema.fixed)
        return {"module": live, "average": self.ema.weights, "best": self.best_weights}

    def pack(self, fingerprint: str) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Return the tensors and the JSON-able values of a checkpoint."""
        weights = self._weights() | {"metrics": self.averager.sums}
        tensors = pack_state(weights, self.task.optimizers)
        feedback_tensors, feedback = self.task.feedback.state()
        meta = {
            "fingerprint": fingerprint,
            "precision": self.precision.name,
            "images_seen": self.images_seen,
            "seconds": self.seconds,
            "best_objective": self.best_objective,
            "bad_validations": self.bad_validations,
            "curves": self.curves,
            "metric_counts": self.averager.counts,
            "peak_lrs": self.peak_lrs,
            "cost": list(self.cost),
            "feedback": feedback,
        }
        return tensors | feedback_tensors, meta

    def _load(self, tensors: Mapping[str, Tensor], meta: Mapping[str, Any]) -> None:
        unpack_state(tensors, self._weights(), self.task.optimizers)
        self.images_seen, self.bad_validations = meta["images_seen"], meta["bad_validations"]
        self.best_objective = meta["best_objective"]
        self.curves, self.cost, self.peak_lrs = meta["curves"], StepCost(*meta["cost"]), meta["peak_lrs"]
        self._start = time.monotonic() - meta["seconds"]
        self.averager.counts = meta["metric_counts"]
        self.averager.sums = {key: tensors[f"metrics/{key}"].clone() for key in self.averager.counts}
        self.task.feedback.load_state(tensors, meta["feedback"])
