"""R-precision of images drawn from true captions, as a user types them, of training and of test images."""

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

import numpy as np

from lexipix.config.evaluation import EvaluationParameters
from lexipix.data.captioned import CaptionedImages, captioned
from lexipix.evaluation.embedding import Embedder
from lexipix.evaluation.evaluated_images import evenly_spaced
from lexipix.evaluation.text_paths import DrawCaptions
from lexipix.metrics.retrieval import CaptionRetrieval
from lexipix.utils.types import Split

MAX_PARAPHRASES = 4  # wordings of an image, the caption among them, that are drawn from


def choose_prompts(split: Split, limit: int) -> CaptionedImages:
    """Returns at most ``limit`` images of a split with a caption, evenly spaced."""
    data = captioned(split)
    indices = evenly_spaced(len(data), limit)
    captions, paraphrases = [data.captions[i] for i in indices], [data.paraphrases[i] for i in indices]
    return CaptionedImages(data.images[indices], captions, paraphrases)


def prompt_metrics(
    splits: Mapping[str, Split],
    paths: Mapping[str, DrawCaptions],
    embedder: Embedder,
    evaluation: EvaluationParameters,
    seed: int,
) -> dict[str, Any]:
    """Draws from ``n_prompts`` captions of each split and measures R-precision, also of the real images.

    Returns:
        JSON-able and grouped as ``metrics.json``: ``text`` (by path) and ``baseline.real`` with
        ``train_r_precision`` and ``test_r_precision``; ``paraphrases``, the champion's by number of the
        wording that was drawn from; ``n_prompts`` of each split. Splits of one caption are absent.
    """
    metrics = _nested()
    for name, split in splits.items():
        prompts = choose_prompts(split, evaluation.n_prompts)
        if len(set(prompts.captions)) < 2:
            continue
        wordings = [
            [text, *others] for text, others in zip(prompts.captions, prompts.paraphrases, strict=True)
        ]
        texts = embedder.embed_paraphrases(wordings)
        retrieval = CaptionRetrieval(prompts.captions, texts, evaluation.n_candidates, seed)
        real = embedder.embed_images(prompts.images)[1]
        metrics["baseline"]["real"][f"{name}_r_precision"] = retrieval.r_precision(real)
        for path, draw in paths.items():
            drawn = embedder.embed_images(draw(prompts.captions))[1]
            metrics["text"][path][f"{name}_r_precision"] = retrieval.r_precision(drawn)
        for number in range(2, MAX_PARAPHRASES + 1):
            indices = np.array([i for i, texts in enumerate(wordings) if len(texts) >= number], np.intp)
            if retrieval.n_candidates(indices) >= 2:
                images = paths["champion"]([wordings[i][number - 1] for i in indices])
                value = retrieval.r_precision(embedder.embed_images(images)[1], indices)
                metrics["paraphrases"][name][str(number)] = value
        metrics["n_prompts"][name] = len(prompts)
    return metrics


def _nested() -> defaultdict[str, Any]:
    """Groups of metrics in groups, which are added as needed."""
    return defaultdict(_nested)
