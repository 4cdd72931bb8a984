"""What happens when in a training, as pure functions of the images seen: learning rate, rows, reports."""

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from lexipix.config.training import TrainingParameters


def learning_rate_factor(progress: float, warmup: float) -> float:
    """Linear warm-up over the share ``warmup`` of the training, then a cosine to 1 % of the peak."""
    if progress < warmup:
        return max(progress / warmup, 0.01)
    cosine = 0.5 * (1 + math.cos(math.pi * (progress - warmup) / (1 - warmup)))
    return 0.01 + 0.99 * cosine


def since_restart(progress: float, restarts: Sequence[float]) -> float:
    """Progress within the part of a training that lies between two restarts; all from 0 to 1."""
    bounds = [0.0, *restarts, 1.0]
    start = max(bound for bound in bounds[:-1] if bound <= progress)
    end = min((bound for bound in bounds if bound > start), default=1.0)
    return (progress - start) / (end - start)


def rows_of_step(images_seen: int, batch_size: int, n_rows: int, seed: int) -> Tensor:
    """Rows of the batch that begins at ``images_seen``; epochs are permutations, a batch may span two.

    Returns:
        int64 tensor of ``batch_size`` row numbers, a pure function of the arguments.
    """
    rows: list[np.ndarray] = []
    position = images_seen
    while position < images_seen + batch_size:
        epoch, offset = divmod(position, n_rows)
        order = np.random.default_rng((seed, epoch)).permutation(n_rows)
        rows.append(order[offset : offset + images_seen + batch_size - position])
        position += len(rows[-1])
    return torch.from_numpy(np.concatenate(rows))


def next_report_after(images_seen: int, parameters: TrainingParameters) -> float:
    """Images seen at the first report after ``images_seen``."""
    interval = parameters.images / max(1, parameters.reports)
    return (math.floor(images_seen / interval) + 1) * interval
