"""Learning rate, rows and validations of a training, as pure functions of the images seen."""

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from lexipix.config.training import TrainingParameters

RESAMPLING = 1  # separates the random numbers of resampled rows from those of the permutations


def learning_rate_factor(progress: float, warmup: float) -> float:
    """Return the factor on the peak rate: linear warm-up to a progress, then a cosine to 1 % of the peak."""
    if progress < warmup:
        return max(progress / warmup, 0.01)
    cosine = 0.5 * (1 + math.cos(math.pi * (progress - warmup) / (1 - warmup)))
    return 0.01 + 0.99 * cosine


def progress_since_restart(progress: float, restarts: Sequence[float]) -> float:
    """Return the progress within the part of a training between two restarts, in [0, 1]."""
    bounds = [0.0, *restarts, 1.0]
    start = max(bound for bound in bounds[:-1] if bound <= progress)
    end = min((bound for bound in bounds if bound > start), default=1.0)
    return (progress - start) / (end - start)


def rows_of_step(images_seen: int, batch_size: int, n_rows: int, seed: int) -> Tensor:
    """Return the rows of the batch that begins at ``images_seen``: int64 (batch_size,).

    Every epoch is a permutation of all rows; a batch may span two epochs.
    """
    rows: list[np.ndarray] = []
    position = images_seen
    while position < images_seen + batch_size:
        epoch, offset = divmod(position, n_rows)
        order = np.random.default_rng((seed, epoch)).permutation(n_rows)
        rows.append(order[offset : offset + images_seen + batch_size - position])
        position += len(rows[-1])
    return torch.from_numpy(np.concatenate(rows))


def resample(rows: Tensor, cdf: Tensor, fraction: float, images_seen: int, seed: int) -> Tensor:
    """Replace a fraction of the rows, evenly spread over the batch, by rows drawn from a distribution.

    ``cdf``, float64 (n_rows,), has cumulative probabilities; ``images_seen`` and the seed decide the draws.
    """
    replaced = torch.from_numpy(np.diff(np.floor(np.arange(len(rows) + 1) * fraction)) > 0)
    draws = np.random.default_rng((seed, images_seen, RESAMPLING)).random(int(replaced.sum()))
    drawn = np.searchsorted(cdf.numpy(), draws, side="right").clip(max=len(cdf) - 1)
    resampled = rows.clone()
    resampled[replaced] = torch.from_numpy(drawn)
    return resampled


def next_validation(images_seen: int, parameters: TrainingParameters) -> float:
    """Return the images seen at the first validation after ``images_seen``."""
    interval = parameters.num_images / parameters.num_validations
    return (math.floor(images_seen / interval) + 1) * interval
