"""Best-of-n: several candidates for each image, of which the scorer keeps the best."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lexipix.inference.onnx_generator import OnnxGenerator, sample_noise
from lexipix.inference.onnx_scorer import OnnxScorer, cosines
from lexipix.inference.onnx_session import Pixels, Vectors

_CANDIDATES_AT_ONCE = 4  # drawn together where the first candidate that is good enough ends the search


class BestOfResult(NamedTuple):
    """The best candidate of each of N images."""

    images: Pixels  # (N, S, S, C)
    scores: NDArray[np.float64]  # (N,) cosine between image and prompt; NaN without a scorer
    chosen: NDArray[np.int64]  # (N,) number of the candidate that was kept, counted from 0
    drawn: NDArray[np.int64]  # (N,) candidates that were drawn


def best_of(
    generator: OnnxGenerator,
    scorer: OnnxScorer | None,
    prompts: Sequence[str],
    indices: NDArray[np.int64],
    seed: int,
    candidates: int = 1,
    until: float | None = None,
) -> BestOfResult:
    """Draw candidates of N images and keep the one of each that agrees best with its prompt.

    A candidate depends only on the model, the prompt, the seed, the image's index and its own number.
    Candidate 0 is the image that is drawn without further candidates, so that more candidates never lower a
    score. Of equal scores the earlier candidate is kept. All candidates of the images are in memory.

    Args:
        generator: Draws the candidates.
        scorer: Scores the candidates; None draws one of each, without scores.
        prompts: One for each image.
        indices: Which image of its prompt each is, (N,).
        seed: Of the noise.
        candidates: Candidates for each image, at most.
        until: No further candidate is drawn from this score on; None draws all.
    """
    n, size, channels = len(prompts), generator.image_size, generator.image_channels
    if scorer is None:
        images = generator.generate(
            prompts, _candidate_noise(generator, seed, indices, np.zeros(n, np.int64))
        )
        return BestOfResult(images, np.full(n, np.nan), np.zeros(n, np.int64), np.ones(n, np.int64))
    texts = scorer.embed_texts(prompts)
    best = BestOfResult(
        np.empty((n, size, size, channels), np.uint8),
        np.full(n, -np.inf),
        np.zeros(n, np.int64),
        np.zeros(n, np.int64),
    )
    rows, first = np.arange(n), 0
    while len(rows) and first < candidates:
        several = candidates if until is None else max(1, _CANDIDATES_AT_ONCE // len(rows))
        several = min(several, candidates - first)
        owners, numbers = np.repeat(rows, several), np.tile(np.arange(first, first + several), len(rows))
        noise = _candidate_noise(generator, seed, indices[owners], numbers)
        images = generator.generate([prompts[row] for row in owners.tolist()], noise)
        scores = cosines(scorer.embed_images(images), texts[owners]).reshape(len(rows), several)
        enough = scores >= (np.inf if until is None else until)
        ended, each = enough.any(1), np.arange(len(rows))
        picked = np.where(ended, enough.argmax(1), scores.argmax(1))
        best.drawn[rows] = first + np.where(ended, picked + 1, several)
        better = scores[each, picked] > best.scores[rows]
        kept = rows[better]
        best.images[kept] = images.reshape(len(rows), several, size, size, channels)[each, picked][better]
        best.scores[kept] = scores[each, picked][better]
        best.chosen[kept] = first + picked[better]
        first += several
        rows = rows[~ended]
    return best


def _candidate_noise(
    generator: OnnxGenerator, seed: int, indices: NDArray[np.int64], numbers: NDArray[np.int64]
) -> Vectors:
    """Noise (N, Z) of candidates by their images' indices and their own numbers; all prompts share it."""
    pairs = zip(indices.tolist(), numbers.tolist(), strict=True)
    rows = [sample_noise(seed, index, generator.noise_dim, number) for index, number in pairs]
    return np.array(rows, np.float32).reshape(-1, generator.noise_dim)
