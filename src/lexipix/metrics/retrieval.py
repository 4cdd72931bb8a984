"""Does a picture fit its caption better than it fits other captions? In the vectors of a contrastive pair."""

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
    """Share of pictures whose own caption is nearest among `n_candidates` captions (Xu et al. 2018, AttnGAN).

    Each picture meets its own caption and `n_candidates - 1` others, drawn without repetition. Where captions
    are given, a caption that reads the same as the picture's own is never drawn, since finding it would be
    right. Guessing scores 1 / n_candidates; equally near captions share the point.

    Args:
        image_vectors: (N, D), of any length; compared by angle.
        text_vectors: (N, D), row i for the caption of picture i.
        captions: The N captions as text.
        n_candidates: Captions to choose among.
        seed: Of the draw.

    Returns:
        A share in [0, 1].

    Raises:
        ValueError: Some picture has too few other captions; see `most_candidates`.
    """
    possible = most_candidates(
        captions if captions is not None else [str(i) for i in range(len(text_vectors))]
    )
    if not 2 <= n_candidates <= possible:
        raise ValueError(
            f"R-precision can choose among 2 to {possible} captions here, asked for {n_candidates}."
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
        likeness = images[rows] @ texts.T
        own = likeness[np.arange(len(rows)), rows][:, None]
        others = np.take_along_axis(likeness, drawn, axis=1)
        n_equal = (others == own).sum(axis=1)
        points += float(np.where((others > own).any(axis=1), 0.0, 1.0 / (1 + n_equal)).sum())
    return points / n_images


def most_candidates(captions: Sequence[str]) -> int:
    """The largest `n_candidates` that every picture of these captions allows: its own and all others."""
    if not captions:
        return 0
    counts = np.unique(np.asarray(captions), return_counts=True)[1]
    return int(len(captions) - counts.max() + 1)


def _unit(vectors: Vectors) -> NDArray[np.float32]:
    vectors = np.asarray(vectors, np.float32)
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.maximum(lengths, 1e-12), np.float32)
