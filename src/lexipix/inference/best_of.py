"""Several pictures for each that is asked for, of which a scorer keeps the best."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lexipix.config.generation import GenerationParameters
from lexipix.inference.onnx_models import (
    IN_MEMORY,
    OnnxGenerator,
    Pixels,
    Scorer,
    Vectors,
    noise_of,
)
from lexipix.inference.targets import parse_target
from lexipix.utils.errors import LexipixError
from lexipix.utils.threads import on_all_cores

_AHEAD = 4  # drawn together where the first that is good enough ends the search


@dataclass(frozen=True)
class BestOfConfig:
    """How much is tried for each picture.

    Attributes:
        candidates: Pictures drawn for each, at most.
        until: Score from which a picture is good enough, so that no further one is drawn for it; None draws
            all candidates.
    """

    candidates: int = 1
    until: float | None = None

    @classmethod
    def wished(
        cls,
        generation: GenerationParameters,
        score: bool = True,
        candidates: int | None = None,
        until: str | None = None,
    ) -> "BestOfConfig":
        """The parameters' effort, where a command asks for no other.

        Args:
            generation: Parameters.
            score: Whether there is a scorer.
            candidates: In place of ``generation.candidates``.
            until: In place of ``generation.until``.

        Raises:
            LexipixError: Without a scorer there can be no choice, or the target is no score.
        """
        candidates = generation.candidates if candidates is None else candidates
        wish = generation.until if until is None else until
        target = parse_target(wish) if wish is not None else None
        if target is not None and target.metric != "score":
            raise LexipixError(
                f"The target {wish} needs a picture to compare with, and there is none but the drawn one: "
                "write score=0.9."
            )
        if until is not None and candidates == 1:
            raise LexipixError(
                f"{target} ends the search among candidates, and only one is drawn: add --candidates 8."
            )
        if candidates > 1 and not score:
            raise LexipixError(
                f"The best of {candidates} candidates cannot be told without their scores: leave out "
                "--no-score, or draw one (--candidates 1)."
            )
        return cls(candidates, target.value if target else None)


class BestOfResult(NamedTuple):
    """The best candidates of N pictures.

    Attributes:
        images: uint8 (N, S, S, 3).
        scores: Their agreement with their texts, (N,); NaN without a scorer.
        places: Which candidate each was, counted from 0, (N,).
        drawn: How many candidates there were of each, (N,).
    """

    images: Pixels
    scores: NDArray[np.float64]
    places: NDArray[np.int64]
    drawn: NDArray[np.int64]


def best_of(
    drawer: OnnxGenerator,
    scorer: Scorer | None,
    prompts: Sequence[str],
    indices: NDArray[np.int64],
    seed: int,
    effort: BestOfConfig,
) -> BestOfResult:
    """Draw candidates of pictures and keep of each the one that agrees best with its text.

    A candidate depends on the model, the prompt, the seed, the picture's index and its own number, and on
    nothing else; candidate 0 is the picture that is drawn where there is only one. So more candidates never
    lower a score. Equal scores leave the earlier candidate. No more than ``IN_MEMORY`` candidates, and one
    picture of each that is asked for, are in memory at a time.

    Args:
        drawer: Draws.
        scorer: Judges the candidates; None draws one of each and leaves the scores open.
        prompts: Of N pictures.
        indices: Which of its prompt's pictures each is, (N,).
        seed: Of the noise.
        effort: How many candidates, and which score ends the search.
    """
    n, size = len(prompts), drawer.image_size
    if scorer is None:
        images = drawer.draw(prompts, candidate_noise(drawer, seed, indices, np.zeros(n, np.int64)))
        return BestOfResult(images, np.full(n, np.nan), np.zeros(n, np.int64), np.ones(n, np.int64))
    vectors = text_vectors(scorer, prompts)
    best = BestOfResult(
        np.empty((n, size, size, 3), np.uint8),
        np.full(n, -np.inf),
        np.zeros(n, np.int64),
        np.zeros(n, np.int64),
    )
    together = max(1, IN_MEMORY // effort.candidates)  # so that no prompt is read twice
    for start in range(0, n, together):
        rows, first = np.arange(start, min(start + together, n)), 0
        while len(rows) and first < effort.candidates:
            at_once = IN_MEMORY if effort.until is None else _AHEAD
            several = min(max(1, at_once // len(rows)), effort.candidates - first)
            owners, numbers = np.repeat(rows, several), np.tile(np.arange(first, first + several), len(rows))
            noise = candidate_noise(drawer, seed, indices[owners], numbers)
            images = drawer.draw([prompts[row] for row in owners.tolist()], noise)
            scores = cosines(scorer, images, vectors[owners])
            _keep_better(best, rows, scores, images, first, effort)
            first += several
            if effort.until is not None:
                rows = rows[best.scores[rows] < effort.until]
    return best


def candidate_noise(
    drawer: OnnxGenerator, seed: int, indices: NDArray[np.int64], numbers: NDArray[np.int64]
) -> Vectors:
    """Noise (N, Z) of candidates by their pictures' indices (N,) and their own numbers (N,).

    All prompts share it, so that what differs between them is what the words say.
    """
    places: dict[tuple[int, int], int] = {}
    pairs = zip(indices.tolist(), numbers.tolist(), strict=True)
    rows = [places.setdefault(pair, len(places)) for pair in pairs]
    noise = np.empty((len(places), drawer.noise_dim), np.float32)
    for (index, number), place in places.items():
        noise[place] = noise_of(seed, index, drawer.noise_dim, number)[0]
    each: Vectors = noise[np.array(rows, np.intp)]
    return each


def text_vectors(scorer: Scorer, texts: Sequence[str]) -> Vectors:
    """Unit vectors of texts, (N, D); equal texts are read once."""
    places = {text: place for place, text in enumerate(dict.fromkeys(texts))}
    read = np.stack(on_all_cores(scorer.text_vector, list(places)))
    return read[[places[text] for text in texts]]


def seen(scorer: Scorer, images: Pixels) -> list[Vectors]:
    """Unit vectors (D,) of pictures (N, S, S, 3): one at a time, which is as fast as several."""
    return on_all_cores(scorer.image_vector, list(images))


def cosines(scorer: Scorer, images: Pixels, vectors: Vectors) -> NDArray[np.float64]:
    """Agreement of pictures (N, S, S, 3) with unit vectors (N, D): (N,) in [-1, 1]."""
    pairs = zip(seen(scorer, images), vectors, strict=True)
    return np.array([float(one @ other) for one, other in pairs], np.float64)


def _keep_better(
    best: BestOfResult,
    rows: NDArray[np.int64],
    scores: NDArray[np.float64],
    images: Pixels,
    first: int,
    effort: BestOfConfig,
) -> None:
    """Put the best of further candidates into ``best``: the same number for each of some pictures."""
    several = len(images) // len(rows)
    for place, row in enumerate(rows):
        own = scores[place * several : (place + 1) * several]
        enough = own >= (np.inf if effort.until is None else effort.until)
        chosen = int(enough.argmax() if enough.any() else own.argmax())
        best.drawn[row] = first + (chosen + 1 if enough.any() else several)
        if own[chosen] > best.scores[row]:
            best.images[row], best.scores[row] = images[place * several + chosen], own[chosen]
            best.places[row] = first + chosen
