"""The number of arithmetic operations of a training step, and how many a machine does in a second."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from itertools import pairwise

import torch
from torch.utils.flop_counter import FlopCounterMode

from lexipix.config.run import RunParameters
from lexipix.training import workers
from lexipix.training.checkpoint_state import cloned, fixed_names, live_state, pack_state, unpack_state
from lexipix.training.precision import Precision
from lexipix.training.tasks.base import TrainingTask

TYPICAL_SHARE = 0.6  # of the rate of matrix products that a training reaches: 0.48 to 0.72 on two AVX2 cores
MATRIX_SIDE = {"cpu": 1024, "cuda": 8192}
N_PRODUCTS = 5


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


def step_flops(task: TrainingTask, batch_size: int, run: RunParameters, precision: Precision) -> float:
    """Return the multiplications plus additions per image of an average step; the task is left unchanged.

    One step of each phase counts by the phase's length. Matrix products, convolutions and attention are
    counted, forwards and backwards; the fused inference kernels of a frozen network are not.
    """
    rows = workers.own_rows(torch.arange(batch_size) % task.n_rows)
    total = 0.0
    for start, end in pairwise([*task.phases, 1.0]):
        if end > start:
            with _unchanged(task), FlopCounterMode(display=False) as counter:
                torch.manual_seed(run.seed)
                with precision.autocast():
                    task.step(rows, start)
            total += (end - start) * counter.get_total_flops()
    return total / len(rows)


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
