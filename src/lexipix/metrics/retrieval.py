"""R-precision: does an image match its own caption better than other captions, by embeddings of both?"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.floating]
_ROWS = 512


def r_precision(
    image_vectors: Vectors,
    text_vectors: Vectors,
    captions: Sequence[str] | None = None,
    n_candidates: int = 100,
    seed: int = 0,
) -> float:
    """Share of images whose own caption is nearest among `n_candidates` captions (Xu et al. 2018, AttnGAN).

    The candidates are an image's own caption and `n_candidates - 1` others, drawn without repetition. A
    caption with the same text as the image's own is never drawn. Guessing scores 1 / n_candidates; captions
    at the same distance share the point.

    Args:
        image_vectors: Embeddings (N, D) of the images, of any length; cosine similarity is used.
        text_vectors: Embeddings (N, D) of the captions; row i is the caption of image i.
        captions: Texts of the N captions; None if all differ.
        n_candidates: Number of captions to choose from.
        seed: Seed of the candidates.

    Returns:
        Share in [0, 1].

    Raises:
        ValueError: Some image has too few other captions; see `max_candidates`.
    """
    possible = max_candidates(
        captions if captions is not None else [str(i) for i in range(len(text_vectors))]
    )
    if not 2 <= n_candidates <= possible:
        raise ValueError(
            f"n_candidates of R-precision is {n_candidates}, but these captions allow 2 to {possible}."
        )
    images, texts = _unit(image_vectors), _unit(text_vectors)
    n_images = len(images)
    same = (
        np.arange(n_images) if captions is None else np.unique(np.asarray(captions), return_inverse=True)[1]
    )
    rng = np.random.default_rng(seed)
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


def max_candidates(captions: Sequence[str]) -> int:
    """The largest `n_candidates` that is possible for every image with these captions."""
    if not captions:
        return 0
    counts = np.unique(np.asarray(captions), return_counts=True)[1]
    return int(len(captions) - counts.max() + 1)


def _unit(vectors: Vectors) -> NDArray[np.float32]:
    vectors = np.asarray(vectors, np.float32)
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.maximum(lengths, 1e-12), np.float32)
