"""What a training step costs, operations and time, and how many operations a machine does in a second."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from lexipix.config.run import RunParameters
from lexipix.training import workers
from lexipix.training.checkpoint_state import cloned, fixed_names, live_state, pack_state, unpack_state
from lexipix.training.precision import Precision
from lexipix.training.tasks.base import TrainingTask

MATRIX_SIDE = {"cpu": 1024, "cuda": 8192}
N_PRODUCTS = 5
N_TIMED = 3  # steps of each phase, which may differ: a captioner reads some batches of text alone


class StepCost(NamedTuple):
    """The cost per image of an average step."""

    flops: float  # multiplications plus additions
    seconds: float


@cache
def matmul_gflops(precision: Precision) -> float:
    """Return 10^9 operations per second of the fastest of some products of two square matrices.

    On two cores it takes a seventh of a second.
    """
    side, dtype = MATRIX_SIDE[precision.device.type], torch.bfloat16 if precision.bf16 else torch.float32
    matrix, fastest = torch.ones(side, side, dtype=dtype, device=precision.device), float("inf")
    for _ in range(N_PRODUCTS + 1):  # the first one prepares the library
        start = time.perf_counter()
        torch.mm(matrix, matrix)
        precision.synchronize()
        fastest = min(fastest, time.perf_counter() - start)
    return 2 * side**3 / max(fastest, 1e-9) / 1e9


def step_cost(task: TrainingTask, batch_size: int, run: RunParameters, precision: Precision) -> StepCost:
    """Return the cost per image of an average step; the task is left unchanged.

    Each phase counts by its length. Matrix products, convolutions and attention are counted, forwards and
    backwards; the fused inference kernels of a frozen network are not.
    """
    rows = workers.own_rows(torch.arange(batch_size) % task.n_rows)
    flops = seconds = 0.0
    for start, end in pairwise([*task.phases, 1.0]):
        if end > start:
            with _unchanged(task):
                torch.manual_seed(run.seed)
                with FlopCounterMode(display=False) as counter:  # the first step prepares the others
                    _step(task, rows, start, precision)
                precision.synchronize()
                began = time.perf_counter()
                for _ in range(N_TIMED):
                    _step(task, rows, start, precision)
                precision.synchronize()
                taken = time.perf_counter() - began
            flops += (end - start) * counter.get_total_flops()
            seconds += (end - start) * taken / N_TIMED
    return StepCost(flops / len(rows), seconds / batch_size)  # all workers take the step at the same time


def _step(task: TrainingTask, rows: Tensor, progress: float, precision: Precision) -> None:
    with precision.autocast():  # of one step: it keeps casted weights until it ends
        task.step(rows, progress)


@contextmanager
def _unchanged(task: TrainingTask) -> Iterator[None]:
    """Restore weights, gradients, optimizers and modes after the body."""
    weights = {"module": live_state(task.modules, fixed_names(task.modules, task.optimizers))}
    saved = cloned(pack_state(weights, task.optimizers))
    training = {key: module.training for key, module in task.modules.items()}
    yield
    unpack_state(saved, weights, task.optimizers)
    for key, module in task.modules.items():
        module.train(training[key])
        module.zero_grad(set_to_none=True)
