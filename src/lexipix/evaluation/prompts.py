"""Drawing what captions say that the pictures came with: those that training saw, and those it never saw.

The text path draws from what the captioner says of test pictures; a user types captions. The judge finds
each drawing's caption among others (R-precision). It has seen none of these pictures, and what it makes of
the real ones is the figure to stand beside.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lexipix.config.evaluation import EvaluationParameters
from lexipix.config.run import RunParameters
from lexipix.evaluation.embedding import Judge, Vectors
from lexipix.evaluation.measure import spread
from lexipix.evaluation.paths import Generators, text_paths
from lexipix.metrics.retrieval import max_candidates, r_precision
from lexipix.utils.types import ImageSplits, ModelBundle, Split

Pixels = NDArray[np.uint8]
MOST_WORDINGS = 4  # of one picture that are drawn from


@dataclass(frozen=True)
class Prompts:
    """Captioned pictures of a split.

    Attributes:
        images: uint8 (N, H, W, 3).
        wordings: Of each picture, the caption first.
    """

    images: Pixels
    wordings: list[list[str]]

    @property
    def captions(self) -> list[str]:
        """The first wordings."""
        return [texts[0] for texts in self.wordings]


def measure_prompts(
    evaluation: EvaluationParameters,
    run: RunParameters,
    pictures: ImageSplits,
    evaluator: ModelBundle,
    *generators: Any,
) -> dict[str, Any]:
    """Draw from captions of training and of test pictures, and let the judge find them again.

    Returns:
        JSON-able and grouped as ``metrics.json``: ``text`` (by path) and ``baseline.real`` have
        ``train_r_precision`` and ``test_r_precision``; ``wordings`` the champion's by number of the wording
        that was drawn from; ``n_prompts`` how many of each split. Empty where there is nothing to ask for.
    """
    judge = Judge(evaluator, run, evaluation.batch_size)
    paths = text_paths(Generators(*generators), run, evaluation.batch_size)
    figures: dict[str, Any] = {}
    for name, split in (("train", pictures.train), ("test", pictures.test)):
        prompts = choose_prompts(split, evaluation.n_prompts)
        finding = SummaryLine(prompts, judge, evaluation.n_candidates, run.seed)
        if not finding.applies:
            continue
        every = np.arange(len(prompts.wordings))
        key = f"{name}_r_precision"
        _put(figures, finding(prompts.images, every), "baseline", "real", key)
        for path, draw in paths.items():
            _put(figures, finding(draw(prompts.captions), every), "text", path, key)
        for number in range(2, MOST_WORDINGS + 1):
            rows = np.array([i for i in every if len(prompts.wordings[i]) >= number], np.intp)
            if finding.n_candidates(rows) >= 2:
                drawn = paths["champion"]([prompts.wordings[row][number - 1] for row in rows])
                _put(figures, finding(drawn, rows), "wordings", name, str(number))
        _put(figures, len(every), "n_prompts", name)
    return figures


def choose_prompts(split: Split, n: int) -> Prompts:
    """Up to ``n`` pictures of a split that have a caption, evenly spread, with all that is said of them."""
    rows = np.flatnonzero(split.captions["caption"].notna().to_numpy())
    rows = rows[spread(len(rows), n)]
    chosen: pd.DataFrame = split.captions.iloc[rows]
    wordings = [
        [str(caption), *map(str, others)]
        for caption, others in zip(chosen["caption"], chosen["paraphrases"], strict=True)
    ]
    return Prompts(np.asarray(split.images[rows]), wordings)


class SummaryLine:
    """Is each picture's own caption the nearest among others? The judge reads all wordings of each.

    Args:
        prompts: Pictures with their wordings.
        judge: The evaluator.
        n_candidates: Captions to choose among; fewer where there are fewer different ones.
        seed: Of the draw.
    """

    def __init__(self, prompts: Prompts, judge: Judge, n_candidates: int, seed: int) -> None:
        self._captions, self._judge = np.array(prompts.captions, dtype=object), judge
        self._most, self._seed = n_candidates, seed
        self.applies = self.n_candidates(np.arange(len(self._captions))) >= 2
        self._texts: Vectors | None = judge.understand(prompts.wordings) if self.applies else None

    def n_candidates(self, rows: NDArray[np.intp]) -> int:
        """Captions to choose among for these pictures; below 2 it does not apply."""
        return min(self._most, max_candidates(self._captions[rows].tolist()))

    def __call__(self, images: Pixels, rows: NDArray[np.intp]) -> float:
        """R-precision of pictures, uint8 (n, H, W, 3), that are meant to be those of ``rows`` (n,)."""
        assert self._texts is not None
        captions: Sequence[str] = self._captions[rows].tolist()
        vectors = self._judge.look(images)[1]
        return r_precision(vectors, self._texts[rows], captions, self.n_candidates(rows), self._seed)


def _put(figures: dict[str, Any], value: float, *keys: str) -> None:
    *groups, last = keys
    for key in groups:
        figures = figures.setdefault(key, {})
    figures[last] = value
