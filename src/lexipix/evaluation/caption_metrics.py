"""Metrics of the captioner's captions: ``captioner.*`` in ``metrics.json``."""

from collections.abc import Mapping, Sequence

import pandas as pd

from lexipix.metrics.text import bleu4, cider_d, exact_match
from lexipix.scenes import attribute_f1, parse_caption


def measure_captions(captions: Sequence[str], table: pd.DataFrame, *, scenes: bool) -> dict[str, float]:
    """Compares N captions with those of a table of N rows; rows without a caption do not count.

    Returns:
        ``exact_match``, ``bleu4``, ``cider_d`` and, for scenes, ``attribute_f1``; empty if none is given.
    """
    rows = [row for row, text in enumerate(table["caption"]) if isinstance(text, str)]
    if not rows:
        return {}
    candidates = [captions[row] for row in rows]
    # The captioner learns the primary caption of each image, so that a paraphrase counts as different
    given = [str(table["caption"].iloc[row]) for row in rows]
    metrics = {"exact_match": exact_match(candidates, given), "bleu4": bleu4(candidates, given)}
    if len(rows) > 1:  # CIDEr-D needs document frequencies
        metrics["cider_d"] = cider_d(candidates, given)
    if scenes:  # a caption that does not parse scores 0
        pairs = zip(map(parse_caption, given), map(parse_caption, candidates), strict=True)
        scores = [attribute_f1(expected, found) for expected, found in pairs if expected and found]
        metrics["attribute_f1"] = sum(scores) / len(given)
    return metrics


def measure_test_captions(
    table: pd.DataFrame, captions_complete: pd.DataFrame, summary: Mapping[str, object]
) -> dict[str, float]:
    """Returns the metrics of the captioner's captions of test and of training images.

    The test split's table has the columns caption and truth; ``captions_complete`` is the training split's.

    Returns:
        :func:`measure_captions` of test images; the number of ``generated_captions`` of training images, and
        ``generated_captions_exact_match`` if true ones were withheld; ``n_test``.
    """
    truth = table[["truth"]].rename(columns={"truth": "caption"})
    metrics = measure_captions(table["caption"].tolist(), truth, scenes=is_scenes(summary))
    generated = captions_complete[captions_complete["caption_source"] == "generated"]
    metrics["generated_captions"] = len(generated)
    known = generated[generated["withheld_caption"].notna()]
    if len(known):
        match = exact_match(known["caption"].tolist(), known["withheld_caption"].tolist())
        metrics["generated_captions_exact_match"] = match
    return metrics | {"n_test": len(table)}


def is_scenes(summary: Mapping[str, object]) -> bool:
    """Whether the images are the embedded scenes, by the summary of the ingestion."""
    return summary.get("source") == "scenes"
