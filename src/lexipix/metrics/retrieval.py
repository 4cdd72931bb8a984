"""R-precision: does an image match its own caption better than other captions, by embeddings of both?"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.floating]
_ROWS = 512


class CaptionRetrieval:
    """R-precision of images of given captions (Xu et al. 2018, AttnGAN).

    It is the share of images whose own caption is the nearest of several: itself and others, drawn without
    repetition. A caption with the same text as the image's own is never drawn. Guessing scores one in
    ``n_candidates``; captions at the same distance share the point.

    Args:
        captions: N captions.
        embeddings: Theirs, (N, D), of any length; cosine similarity is used.
        n_candidates: Captions to choose among at most; fewer if there are fewer different ones.
        seed: Of the choice of candidates.
    """

    def __init__(self, captions: Sequence[str], embeddings: Vectors, n_candidates: int, seed: int) -> None:
        self._captions, self._embeddings = np.array(captions, dtype=object), _unit(embeddings)
        self._limit, self._seed = n_candidates, seed

    def n_candidates(self, indices: NDArray[np.intp] | None = None) -> int:
        """Returns how many captions an image is compared with; R-precision is not defined below 2.

        Args:
            indices: Captions that take part; None: all.
        """
        captions = self._captions if indices is None else self._captions[indices]
        if not len(captions):
            return 0
        counts = np.unique(captions, return_counts=True)[1]
        return min(self._limit, int(len(captions) - counts.max() + 1))

    def r_precision(self, image_embeddings: Vectors, indices: NDArray[np.intp] | None = None) -> float:
        """Returns the share of images whose own caption is the nearest, in [0, 1].

        Args:
            image_embeddings: (n, D), of any length.
            indices: Of the images' captions, (n,); None: all, in order.
        """
        indices = np.arange(len(self._captions)) if indices is None else indices
        images, texts = _unit(image_embeddings), self._embeddings[indices]
        same = np.unique(self._captions[indices], return_inverse=True)[1]
        n_images, n_candidates = len(images), self.n_candidates(indices)
        rng = np.random.default_rng(self._seed)
        points = 0.0
        for start in range(0, n_images, _ROWS):
            rows = np.arange(start, min(start + _ROWS, n_images))
            order = rng.random((len(rows), n_images), dtype=np.float32)
            order[same[rows][:, None] == same[None, :]] = 2.0
            drawn = np.argpartition(order, n_candidates - 2, axis=1)[:, : n_candidates - 1]
            similarity = images[rows] @ texts.T
            own = similarity[np.arange(len(rows)), rows][:, None]
            others = np.take_along_axis(similarity, drawn, axis=1)
            n_equal = (others == own).sum(axis=1)
            points += float(np.where((others > own).any(axis=1), 0.0, 1.0 / (1 + n_equal)).sum())
        return points / n_images


def _unit(vectors: Vectors) -> NDArray[np.float32]:
    vectors = np.asarray(vectors, np.float32)
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.maximum(lengths, 1e-12), np.float32)
