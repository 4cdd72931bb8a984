"""Do generated pictures look like real ones as a whole? Distances between two sets of feature vectors.

The features come from an own evaluator, so a figure says nothing beside figures published with other
features, and it depends on the number of pictures: report n, and beside it the distance of two halves of the
real set (the floor).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.floating]
_Exact = NDArray[np.float64]
_PART = 4096  # vectors that are compared at a time


class Standardised:
    """Brings every feature to mean 0 and deviation 1 over real pictures, so that none outweighs another.

    Args:
        features: (N, D) of real pictures.
    """

    def __init__(self, features: Vectors) -> None:
        self._mean = features.mean(axis=0)
        deviation = features.std(axis=0)
        self._deviation = np.where(deviation > 1e-6, deviation, 1.0)

    def __call__(self, features: Vectors) -> NDArray[np.float32]:
        """Features (M, D) on that scale."""
        scaled: NDArray[np.float32] = ((features - self._mean) / self._deviation).astype(np.float32)
        return scaled


def kid(
    real: Vectors, fake: Vectors, n_subsets: int = 50, subset_size: int = 500, seed: int = 0
) -> tuple[float, float]:
    """Kernel distance: the unbiased squared MMD with the kernel `(x.y / D + 1)^3` (Binkowski et al. 2018).

    Args:
        real: (N, D) features of real pictures.
        fake: (M, D) features of generated ones.
        n_subsets: Random subsets to average over.
        subset_size: Vectors in each; at most the smaller of N and M.
        seed: Of the draw.

    Returns:
        Mean and standard deviation over the subsets. About 0 (also below) for two draws from one
        distribution.

    Raises:
        ValueError: A set or a subset holds fewer than two vectors, or the widths differ.
    """
    real, fake = _checked(real, fake)
    subset_size = min(subset_size, len(real), len(fake))
    if subset_size < 2:
        raise ValueError(f"kid needs subsets of at least two vectors, got {subset_size}.")
    rng = np.random.default_rng(seed)
    estimates = []
    for _ in range(n_subsets):
        x = real[rng.choice(len(real), subset_size, replace=False)]
        y = fake[rng.choice(len(fake), subset_size, replace=False)]
        estimates.append(_unbiased_mmd(x, y))
    return float(np.mean(estimates)), float(np.std(estimates))


def frechet_distance(real: Vectors, fake: Vectors) -> float:
    """Squared distance of the normal distributions fitted to two sets (Heusel et al. 2017), in float64.

    `|m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^(1/2))`; the root's trace is taken from the eigenvalues of the
    symmetric `C1^(1/2) C2 C1^(1/2)`, which stays real and finite where the sets are smaller than the features
    are wide. Biased upwards for small sets: compare only figures of the same N and M.

    Args:
        real: (N, D), N at least 2.
        fake: (M, D), M at least 2.
    """
    real, fake = _checked(real, fake)
    difference = real.mean(axis=0) - fake.mean(axis=0)
    covariances = [np.atleast_2d(np.cov(x, rowvar=False)) for x in (real, fake)]
    values, vectors = np.linalg.eigh(covariances[0])
    root = (vectors * np.sqrt(values.clip(min=0))) @ vectors.T
    shared = np.linalg.eigvalsh(root @ covariances[1] @ root)
    distance = difference @ difference + np.trace(covariances[0]) + np.trace(covariances[1])
    return float(max(0.0, distance - 2 * np.sqrt(shared.clip(min=0)).sum()))


def precision_recall(real: Vectors, fake: Vectors, k: int = 3) -> tuple[float, float]:
    """How many fakes look real, and how much of the real variety the fakes cover (Kynkaanniemi et al. 2019).

    A vector counts as covered by a set when it lies no farther from some member than that member's k-th
    nearest neighbour in its own set does.

    Args:
        real: (N, D), N more than k.
        fake: (M, D), M more than k.
        k: Neighbour that sets the radius.

    Returns:
        Precision (share of fakes within the real set) and recall (share of reals within the fake set), in [0,
        1].
    """
    real, fake = _checked(real, fake)
    if min(len(real), len(fake)) <= k:
        raise ValueError(f"precision_recall with k={k} needs more than {k} vectors in each set.")
    return _covered(real, fake, k), _covered(fake, real, k)


def nearest_neighbors(
    queries: Vectors, vectors: Vectors, k: int = 1
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The k nearest of `vectors` to each query, to see whether a generator repeats what it was trained on.

    Args:
        queries: (N, D).
        vectors: (M, D), M at least k.
        k: Neighbours to each query.

    Returns:
        Indices into `vectors` and Euclidean distances, both (N, k), nearest first; of two that are equally
        near, the one with the lower index.
    """
    queries, vectors = _checked(queries, vectors)
    if not 1 <= k <= len(vectors):
        raise ValueError(f"nearest_neighbors can find 1 to {len(vectors)} neighbours, asked for {k}.")
    nearest = Nearest(queries, k)
    for start in range(0, len(vectors), _PART):
        nearest.look(vectors[start : start + _PART])
    return nearest.indices, nearest.distances


class Nearest:
    """The nearest of many vectors that come part by part, so that they need never be in memory together.

    Args:
        queries: (N, D).
        k: Neighbours to each query, a few: every part is searched once for each.

    Attributes:
        indices: int64 (N, k), nearest first, counted over all parts; -1 where fewer have been seen.
        distances: float64 (N, k), Euclidean; infinite there.
    """

    def __init__(self, queries: Vectors, k: int) -> None:
        self._queries = np.asarray(queries, np.float64)
        self._n_seen = 0
        self.indices = np.full((len(queries), k), -1, np.int64)
        self.distances = np.full((len(queries), k), np.inf)

    def look(self, vectors: Vectors) -> None:
        """See the next vectors, (M, D)."""
        vectors = np.asarray(vectors, np.float64)
        own = np.arange(self._n_seen, self._n_seen + len(vectors))
        for start in range(0, len(self._queries), 512):
            rows = slice(start, start + 512)
            fresh = np.sqrt(_squared_distances(self._queries[rows], vectors))
            distances = np.concatenate([self.distances[rows], fresh], axis=1)
            indices = np.concatenate([self.indices[rows], np.broadcast_to(own, fresh.shape)], axis=1)
            each = np.arange(len(distances))
            for place in range(self.indices.shape[1]):
                first = distances.argmin(axis=1)
                self.indices[start + each, place] = indices[each, first]
                self.distances[start + each, place] = distances[each, first]
                distances[each, first] = np.inf
        self._n_seen += len(vectors)


def _unbiased_mmd(x: Vectors, y: Vectors) -> float:
    n, width = x.shape
    xx, yy, xy = ((a @ b.T / width + 1) ** 3 for a, b in ((x, x), (y, y), (x, y)))
    within = (xx.sum() - np.trace(xx) + yy.sum() - np.trace(yy)) / (n * (n - 1))
    return float(within - 2 * xy.mean())


def _covered(members: Vectors, others: Vectors, k: int) -> float:
    """Share of `others` inside at least one member's ball."""
    radii = np.empty(len(members))
    for start in range(0, len(members), 512):
        squared = _squared_distances(members[start : start + 512], members)
        radii[start : start + 512] = np.partition(squared, k, axis=1)[:, k]  # at 0 the member itself
    n_covered = 0
    for start in range(0, len(others), 512):
        squared = _squared_distances(others[start : start + 512], members)
        n_covered += int((squared <= radii).any(axis=1).sum())
    return n_covered / len(others)


def _squared_distances(a: Vectors, b: Vectors) -> NDArray[np.float64]:
    squares = (a * a).sum(axis=1)[:, None] + (b * b).sum(axis=1) - 2 * a @ b.T
    return np.asarray(squares.clip(min=0), np.float64)


def _checked(a: Vectors, b: Vectors) -> tuple[_Exact, _Exact]:
    x: _Exact = np.asarray(a, np.float64)
    y: _Exact = np.asarray(b, np.float64)
    if x.ndim != 2 or y.ndim != 2 or x.shape[1] != y.shape[1] or min(len(x), len(y)) < 2:
        raise ValueError(
            f"Two sets of at least two vectors of one width are compared, got {a.shape} and {b.shape}."
        )
    return x, y
