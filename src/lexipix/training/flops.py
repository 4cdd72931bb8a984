"""The number of arithmetic operations of a training step."""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise

import torch
from torch.utils.flop_counter import FlopCounterMode

from lexipix.config.run import RunParameters
from lexipix.training.checkpoint_state import cloned, fixed_names, live_state, pack_state, unpack_state
from lexipix.training.precision import Precision
from lexipix.training.tasks.base import TrainingTask


def step_flops(task: TrainingTask, batch_size: int, run: RunParameters, precision: Precision) -> float:
    """Return the multiplications plus additions per image of an average step; the task is left unchanged.

    One step of each phase counts by the phase's length. Matrix products, convolutions and attention are
    counted, forwards and backwards; the fused inference kernels of a frozen network are not.
    """
    rows = torch.arange(batch_size) % task.n_rows
    total = 0.0
    for start, end in pairwise([*task.phases, 1.0]):
        if end > start:
            with _unchanged(task), FlopCounterMode(display=False) as counter:
                torch.manual_seed(run.seed)
                with precision.autocast():
                    task.step(rows, start)
            total += (end - start) * counter.get_total_flops()
    return total / batch_size


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
