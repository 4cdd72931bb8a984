"""Distances between two sets of feature vectors: do generated images look like real ones as a whole?

The features come from the project's own evaluator, so the values cannot be compared with published ones. They
also depend on the number of images: report it, and report the distance between two halves of the real images.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.floating]
_Float64 = NDArray[np.float64]
_CHUNK = 128  # vectors that are compared at a time


class Standardizer:
    """Scales every feature to mean 0 and standard deviation 1 over the real images, (N, D)."""

    def __init__(self, features: Vectors) -> None:
        self._mean = features.mean(axis=0)
        deviation = features.std(axis=0)
        self._deviation = np.where(deviation > 1e-6, deviation, 1.0)

    def __call__(self, features: Vectors) -> NDArray[np.float32]:
        """Scaled features, (M, D)."""
        scaled: NDArray[np.float32] = ((features - self._mean) / self._deviation).astype(np.float32)
        return scaled


def kid(real: Vectors, fake: Vectors, n_subsets: int, subset_size: int, seed: int) -> tuple[float, float]:
    """Kernel distance: the unbiased squared MMD with the kernel `(x.y / D + 1)^3` (arXiv 1801.01401).

    Args:
        real: (N, D) features of real images.
        fake: (M, D) features of generated images.
        n_subsets: Random subsets to average over.
        subset_size: Vectors in each subset; limited to the smaller of N and M.
        seed: Of the subsets.

    Returns:
        Mean and standard deviation over the subsets. The mean is about 0, and may be negative, for two
        samples of one distribution.
    """
    # Importing torchmetrics takes seconds. Its class KernelInceptionDistance draws subsets from torch's
    # global generator; drawing them here keeps the result a function of the seed.
    import torch
    from torchmetrics.image.kid import poly_mmd

    real, fake = _check_pair(real, fake)
    subset_size = min(subset_size, len(real), len(fake))
    rng = np.random.default_rng(seed)
    estimates = []
    for _ in range(n_subsets):
        x = real[rng.choice(len(real), subset_size, replace=False)]
        y = fake[rng.choice(len(fake), subset_size, replace=False)]
        estimates.append(float(poly_mmd(torch.from_numpy(x), torch.from_numpy(y))))
    return float(np.mean(estimates)), float(np.std(estimates))


def frechet_distance(real: Vectors, fake: Vectors) -> float:
    """Squared distance of the normal distributions fitted to two sets, in float64 (arXiv 1706.08500).

    The distance of (N, D) and (M, D) is biased upwards for small sets: compare values of the same N and M.
    """
    import torch
    from torchmetrics.image.fid import FrechetInceptionDistance

    real, fake = _check_pair(real, fake)
    identity = torch.nn.Identity()
    identity.num_features = real.shape[1]
    metric = FrechetInceptionDistance(identity)
    metric.update(torch.from_numpy(real), real=True)
    metric.update(torch.from_numpy(fake), real=False)
    return max(0.0, float(metric.compute()))


def precision_recall(real: Vectors, fake: Vectors, k: int = 3) -> tuple[float, float]:
    """Precision and recall of a generated set against a real one (Kynkaanniemi et al., arXiv 1904.06991).

    A set covers a vector if some member is at most as far from it as from that member's own k-th nearest
    neighbor in the set; k is at most the number of other members.

    Returns:
        Precision (share of fake vectors that the real set covers), and recall (the reverse), in [0, 1].
    """
    real, fake = _check_pair(real, fake)
    k = min(k, len(real) - 1, len(fake) - 1)
    return _covered_share(real, fake, k), _covered_share(fake, real, k)


class Neighbors(NamedTuple):
    """Indices (N, k) of the nearest vectors, nearest first, and their Euclidean distances."""

    indices: NDArray[np.int64]
    distances: _Float64


def nearest_neighbors(queries: Vectors, vectors: Vectors, k: int) -> Neighbors:
    """Finds the vectors (M, D) nearest to each query (N, D); of two at the same distance, the first."""
    indices, distances = np.empty((len(queries), k), np.int64), np.empty((len(queries), k))
    for start in range(0, len(queries), _CHUNK):
        rows = slice(start, start + _CHUNK)
        squared = _squared_distances(queries[rows], vectors)
        indices[rows] = np.argsort(squared, axis=1, kind="stable")[:, :k]
        distances[rows] = np.sqrt(np.take_along_axis(squared, indices[rows], axis=1))
    return Neighbors(indices, distances)


def _covered_share(members: Vectors, others: Vectors, k: int) -> float:
    """Share of `others` inside at least one member's ball."""
    radii = np.sort(_squared_distances(members, members), axis=1)[:, k]  # 0: itself
    return float((_squared_distances(others, members) <= radii).any(axis=1).mean())


def _squared_distances(a: Vectors, b: Vectors) -> _Float64:
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    squares = (a * a).sum(axis=1)[:, None] + (b * b).sum(axis=1) - 2 * a @ b.T
    return np.asarray(squares.clip(min=0), np.float64)


def _check_pair(a: Vectors, b: Vectors) -> tuple[_Float64, _Float64]:
    if min(len(a), len(b)) < 2:
        raise ValueError(f"Two sets of at least two vectors are needed, got {a.shape} and {b.shape}.")
    return np.asarray(a, np.float64), np.asarray(b, np.float64)
