"""Best-of-n: several candidates for each image, of which the scorer keeps the best."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lexipix.inference.onnx_generator import MAX_IN_MEMORY, OnnxGenerator, sample_noise
from lexipix.inference.onnx_scorer import OnnxScorer, cosines
from lexipix.inference.onnx_session import Pixels, Vectors
from lexipix.inference.targets import parse_target
from lexipix.utils.errors import LexipixError

_CANDIDATES_AT_ONCE = 4  # drawn together where the first candidate that is good enough ends the search


@dataclass(frozen=True)
class BestOfConfig:
    """How many candidates are drawn for each image.

    Attributes:
        candidates: Candidates for each image, at most.
        until: Score from which a candidate is good enough, so that no further one is drawn; None draws all.
    """

    candidates: int = 1
    until: float | None = None

    @classmethod
    def parse(cls, candidates: int, until: str | None, score: bool) -> "BestOfConfig":
        """Check the options of a command or of a call.

        Args:
            candidates: Candidates for each image.
            until: Target such as ``score=0.9``.
            score: Whether a scorer is used.

        Raises:
            LexipixError: There is no candidate, several without a scorer, or a target that is no score.
        """
        target = parse_target(until) if until is not None else None
        if target is not None and target.metric != "score":
            raise LexipixError(
                f"The target {until} needs an image to compare with, and here there is only a prompt: "
                "write score=0.9."
            )
        if candidates < 1:
            raise LexipixError(f"candidates is {candidates}: it must be 1 or more.")
        if candidates > 1 and not score:
            raise LexipixError(
                f"Choosing the best of {candidates} candidates needs their scores: remove --no-score, or "
                "draw one candidate (--candidates 1)."
            )
        return cls(candidates, target.value if target else None)


class BestOfResult(NamedTuple):
    """The best candidate of each of N images.

    Attributes:
        images: uint8 (N, S, S, 3).
        scores: Cosine between image and prompt, (N,); NaN without a scorer.
        chosen: Number of the candidate that was kept, counted from 0, (N,).
        drawn: Candidates that were drawn, (N,).
    """

    images: Pixels
    scores: NDArray[np.float64]
    chosen: NDArray[np.int64]
    drawn: NDArray[np.int64]


def best_of(
    generator: OnnxGenerator,
    scorer: OnnxScorer | None,
    prompts: Sequence[str],
    indices: NDArray[np.int64],
    seed: int,
    config: BestOfConfig,
) -> BestOfResult:
    """Draw candidates of images and keep the one of each that agrees best with its prompt.

    A candidate depends only on the model, the prompt, the seed, the image's index and its own number.
    Candidate 0 is the image that is drawn without further candidates, so that more candidates never lower a
    score. Of equal scores the earlier candidate is kept. At most ``MAX_IN_MEMORY`` candidates are in memory
    at a time, and one image of each that is asked for.

    Args:
        generator: Draws the candidates.
        scorer: Scores the candidates; None draws one of each, without scores.
        prompts: Of N images.
        indices: Which image of its prompt each is, (N,).
        seed: Of the noise.
        config: How many candidates, and which score ends the search.
    """
    n, size = len(prompts), generator.image_size
    if scorer is None:
        images = generator.generate(prompts, candidate_noise(generator, seed, indices, np.zeros(n, np.int64)))
        return BestOfResult(images, np.full(n, np.nan), np.zeros(n, np.int64), np.ones(n, np.int64))
    texts = scorer.embed_texts(prompts)
    best = BestOfResult(
        np.empty((n, size, size, 3), np.uint8),
        np.full(n, -np.inf),
        np.zeros(n, np.int64),
        np.zeros(n, np.int64),
    )
    block = max(1, MAX_IN_MEMORY // config.candidates)  # images whose candidates are drawn together
    for start in range(0, n, block):
        rows, first = np.arange(start, min(start + block, n)), 0
        while len(rows) and first < config.candidates:
            at_once = MAX_IN_MEMORY if config.until is None else _CANDIDATES_AT_ONCE
            several = min(max(1, at_once // len(rows)), config.candidates - first)
            owners, numbers = np.repeat(rows, several), np.tile(np.arange(first, first + several), len(rows))
            noise = candidate_noise(generator, seed, indices[owners], numbers)
            images = generator.generate([prompts[row] for row in owners.tolist()], noise)
            scores = cosines(scorer.embed_images(images), texts[owners])
            _keep_better(best, rows, scores, images, first, config)
            first += several
            if config.until is not None:
                rows = rows[best.scores[rows] < config.until]
    return best


def candidate_noise(
    generator: OnnxGenerator, seed: int, indices: NDArray[np.int64], numbers: NDArray[np.int64]
) -> Vectors:
    """Noise (N, Z) of candidates by their images' indices (N,) and their own numbers (N,).

    All prompts share it, so that images of different prompts differ only by the prompt.
    """
    rows: dict[tuple[int, int], int] = {}
    pairs = zip(indices.tolist(), numbers.tolist(), strict=True)
    owners = [rows.setdefault(pair, len(rows)) for pair in pairs]
    noise = np.empty((len(rows), generator.noise_dim), np.float32)
    for (index, number), row in rows.items():
        noise[row] = sample_noise(seed, index, generator.noise_dim, number)[0]
    each: Vectors = noise[np.array(owners, np.intp)]
    return each


def _keep_better(
    best: BestOfResult,
    rows: NDArray[np.int64],
    scores: NDArray[np.float64],
    images: Pixels,
    first: int,
    config: BestOfConfig,
) -> None:
    """Put the best of further candidates into ``best``; each image has the same number of them."""
    several = len(images) // len(rows)
    for place, row in enumerate(rows):
        own = scores[place * several : (place + 1) * several]
        enough = own >= (np.inf if config.until is None else config.until)
        chosen = int(enough.argmax() if enough.any() else own.argmax())
        best.drawn[row] = first + (chosen + 1 if enough.any() else several)
        if own[chosen] > best.scores[row]:
            best.images[row], best.scores[row] = images[place * several + chosen], own[chosen]
            best.chosen[row] = first + chosen
