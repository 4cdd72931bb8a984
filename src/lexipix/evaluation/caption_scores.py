"""How well the captioner writes."""

from collections.abc import Mapping, Sequence

import pandas as pd

from lexipix.metrics.text import bleu4, cider_d, exact_match
from lexipix.scenes import attribute_f1, parse_caption


def score(written: Sequence[str], truth: pd.DataFrame, *, scenes: bool) -> dict[str, float]:
    """Measure captions against the given ones; rows without a given caption do not count.

    Args:
        written: N captions.
        truth: N rows with the column caption.
        scenes: Captions are of the embedded scenes, whose facts can be read back.

    Returns:
        ``exact_match``, ``bleu4``, ``cider_d`` and, for scenes, ``attribute_f1``; nothing without truth.
    """
    rows = [index for index, text in enumerate(truth["caption"]) if isinstance(text, str)]
    if not rows:
        return {}
    candidates = [written[row] for row in rows]
    captions = [str(truth["caption"].iloc[row]) for row in rows]
    # The captioner learns the first wording of each caption; others are no fault, but not what was asked for
    references = [[caption] for caption in captions]
    figures = {"exact_match": exact_match(candidates, captions), "bleu4": bleu4(candidates, references)}
    if len(rows) > 1:  # a single caption tells nothing of how rare its words are
        figures["cider_d"] = cider_d(candidates, references)
    if scenes:
        figures["attribute_f1"] = _attribute_f1(candidates, captions)
    return figures


def worth_of_generated(complete: pd.DataFrame) -> dict[str, float]:
    """Compare the captions that were written for training pictures with those that were withheld from it.

    Returns:
        ``generated_captions`` (their number) and ``generated_captions_exact_match``; the latter only where
        captions were withheld.
    """
    generated = complete[complete["caption_source"] == "generated"]
    figures: dict[str, float] = {"generated_captions": len(generated)}
    known = generated[generated["withheld_caption"].notna()]
    if len(known):
        match = exact_match(known["caption"].tolist(), known["withheld_caption"].tolist())
        figures["generated_captions_exact_match"] = match
    return figures


def is_scenes(summary: Mapping[str, object]) -> bool:
    """Whether the pictures are the embedded scenes."""
    return summary.get("source") == "scenes"


def _attribute_f1(candidates: Sequence[str], captions: Sequence[str]) -> float:
    """Mean F1 of the facts; a caption that says nothing sensible scores 0."""
    total = 0.0
    for candidate, caption in zip(candidates, captions, strict=True):
        expected, seen = parse_caption(caption), parse_caption(candidate)
        if expected is not None and seen is not None:
            total += attribute_f1(expected, seen)
    return total / len(captions)
