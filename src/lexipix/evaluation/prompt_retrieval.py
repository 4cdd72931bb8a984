"""R-precision of images drawn from true captions, of training images and of test images.

The text path draws from the captioner's captions of test images, but a user types captions. The evaluator
finds each drawn image's caption among others. It has seen none of these images; its R-precision for the real
ones is the value to compare with.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lexipix.evaluation.embedding import CaptionRetrieval, Embedder
from lexipix.evaluation.evaluated_images import evenly_spaced
from lexipix.evaluation.text_paths import DrawCaptions
from lexipix.metrics.retrieval import max_candidates
from lexipix.utils.types import Split

MAX_PARAPHRASES = 4  # wordings of an image, the caption among them, that are drawn from


@dataclass(frozen=True)
class Prompts:
    """Captioned images of a split.

    Attributes:
        images: uint8 (N, H, W, 3).
        paraphrases: All wordings of each image, the caption first.
    """

    images: NDArray[np.uint8]
    paraphrases: list[list[str]]

    @property
    def captions(self) -> list[str]:
        """The first wording of each image."""
        return [texts[0] for texts in self.paraphrases]


def choose_prompts(split: Split, limit: int) -> Prompts:
    """Returns at most ``limit`` images of a split with a caption, evenly spaced, with all their wordings."""
    indices = np.flatnonzero(split.captions["caption"].notna().to_numpy())
    indices = indices[evenly_spaced(len(indices), limit)]
    chosen = split.captions.iloc[indices]
    paraphrases = [
        [str(caption), *map(str, others)]
        for caption, others in zip(chosen["caption"], chosen["paraphrases"], strict=True)
    ]
    return Prompts(np.asarray(split.images[indices]), paraphrases)


def prompt_metrics(
    splits: Mapping[str, Split],
    paths: Mapping[str, DrawCaptions],
    embedder: Embedder,
    *,
    n_prompts: int,
    n_candidates: int,
    seed: int,
) -> dict[str, Any]:
    """Draws from the captions of splits and measures R-precision.

    Args:
        splits: ``train`` and ``test``.
        paths: See :func:`.text_paths.text_paths`.
        embedder: Of the evaluator.
        n_prompts: Captions of each split, evenly spaced; 0 measures nothing.
        n_candidates: Captions that R-precision chooses among.
        seed: Of their choice.

    Returns:
        JSON-able and grouped as ``metrics.json``: ``text`` (by path) and ``baseline.real`` with
        ``train_r_precision`` and ``test_r_precision``; ``paraphrases``, the champion's by number of the
        wording that was drawn from; ``n_prompts`` of each split. Splits of one caption are absent.
    """
    metrics: dict[str, Any] = {}
    for name, split in splits.items():
        prompts = choose_prompts(split, n_prompts)
        if max_candidates(prompts.captions) < 2:
            continue
        texts = embedder.embed_paraphrases(prompts.paraphrases)
        retrieval = CaptionRetrieval(prompts.captions, texts, n_candidates, seed)
        key = f"{name}_r_precision"
        real = embedder.embed_images(prompts.images)[1]
        _set(metrics, retrieval.r_precision(real), "baseline", "real", key)
        for path, draw in paths.items():
            drawn = embedder.embed_images(draw(prompts.captions))[1]
            _set(metrics, retrieval.r_precision(drawn), "text", path, key)
        for number in range(2, MAX_PARAPHRASES + 1):
            indices = np.array(
                [i for i, texts in enumerate(prompts.paraphrases) if len(texts) >= number], np.intp
            )
            if retrieval.n_candidates(indices) >= 2:
                images = paths["champion"]([prompts.paraphrases[i][number - 1] for i in indices])
                value = retrieval.r_precision(embedder.embed_images(images)[1], indices)
                _set(metrics, value, "paraphrases", name, str(number))
        _set(metrics, len(prompts.captions), "n_prompts", name)
    return metrics


def _set(metrics: dict[str, Any], value: float, *keys: str) -> None:
    """Sets a value in nested groups, which are added as needed."""
    *groups, last = keys
    for key in groups:
        metrics = metrics.setdefault(key, {})
    metrics[last] = value
