"""Learning rate, rows and validations of a training, as pure functions of the images seen."""

import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lexipix.config.training import TrainingParameters

# Separate the random numbers of resampled rows, shards and windows from those of the permutations
RESAMPLING, SHARDS, WINDOWS = 1, 2, 3
WINDOW_SHARDS = 64  # shards whose rows are shuffled together


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


def rows_of_step(
    images_seen: int, batch_size: int, n_rows: int, seed: int, shard_ends: tuple[int, ...] | None = None
) -> Tensor:
    """Return the rows of the batch that begins at ``images_seen``: int64 (batch_size,).

    Every epoch is a permutation of all rows; a batch may span two epochs. Of rows in shards, which end before
    the rows ``shard_ends``, ascending, the shards are permuted, and then the rows of every
    :data:`WINDOW_SHARDS` shards: neighboring batches read few files.
    """
    rows: list[NDArray[np.int64]] = []
    position = images_seen
    while position < images_seen + batch_size:
        epoch, offset = divmod(position, n_rows)
        if shard_ends is None:
            order = _order_of_epoch(n_rows, seed, epoch)
        else:
            order, first = _order_of_window(shard_ends, seed, epoch, offset)
            offset -= first
        rows.append(order[offset : offset + images_seen + batch_size - position])
        position += len(rows[-1])
    return torch.from_numpy(np.concatenate(rows))


@lru_cache(maxsize=1)  # steps go forward, and permuting ten million rows takes a second
def _order_of_epoch(n_rows: int, seed: int, epoch: int) -> NDArray[np.int64]:
    return np.random.default_rng((seed, epoch)).permutation(n_rows)


def _order_of_window(
    shard_ends: tuple[int, ...], seed: int, epoch: int, offset: int
) -> tuple[NDArray[np.int64], int]:
    """The rows of the window at an offset into an epoch, and the offset at which the window begins."""
    shards, ends = _windows(shard_ends, seed, epoch)
    window = int(np.searchsorted(ends, offset, side="right"))
    return _shuffled(shard_ends, shards[window], seed, epoch, window), int(ends[window - 1]) if window else 0


@lru_cache(maxsize=1)
def _windows(
    shard_ends: tuple[int, ...], seed: int, epoch: int
) -> tuple[list[tuple[int, ...]], NDArray[np.int64]]:
    """The shards of each window, and the offsets into the epoch at which the windows end."""
    order = np.random.default_rng((seed, epoch, SHARDS)).permutation(len(shard_ends))
    counts = np.diff(shard_ends, prepend=0)[order].cumsum()
    firsts = range(0, len(order), WINDOW_SHARDS)
    shards = [tuple(order[first : first + WINDOW_SHARDS].tolist()) for first in firsts]
    return shards, counts[[min(first + WINDOW_SHARDS, len(order)) - 1 for first in firsts]]


@lru_cache(maxsize=1)
def _shuffled(
    shard_ends: tuple[int, ...], shards: tuple[int, ...], seed: int, epoch: int, window: int
) -> NDArray[np.int64]:
    """The rows of some shards in random order."""
    starts = (0, *shard_ends)
    rows = np.concatenate([np.arange(starts[shard], shard_ends[shard]) for shard in shards])
    return np.random.default_rng((seed, epoch, WINDOWS, window)).permutation(rows)


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
