"""Agreement of generated captions with reference captions: BLEU-4, CIDEr-D, exact match."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence

MAX_N = 4
SIGMA = 6.0  # tokens; width of CIDEr-D's penalty for a candidate longer or shorter than its reference
# Chinese, Japanese and Korean text has no spaces between words: each of its characters is one word.
WORD = r"[぀-ヿ㐀-䶿一-鿿가-힯]|[^\W぀-ヿ㐀-䶿一-鿿가-힯]+"
_TOKEN = re.compile(rf"{WORD}|[^\w\s]")

Grams = Counter[tuple[str, ...]]


def tokens(text: str) -> list[str]:
    """Words and punctuation marks of a text in lower case; all metrics here count these."""
    return _TOKEN.findall(text.lower())


def exact_match(candidates: Sequence[str], references: Sequence[str]) -> float:
    """Share of candidates, in [0, 1], with the same tokens as their reference; case is ignored."""
    return sum(tokens(c) == tokens(r) for c, r in zip(candidates, references, strict=True)) / len(candidates)


def bleu4(candidates: Sequence[str], references: Sequence[str]) -> float:
    """Corpus BLEU of n-grams of one to four tokens, in [0, 1], without smoothing (Papineni et al. 2002).

    Args:
        candidates: N captions.
        references: The N true captions.
    """
    from torchmetrics.functional.text import bleu_score  # takes seconds, and inference must not need torch

    # torchmetrics splits at spaces
    targets = [[" ".join(tokens(text))] for text in references]
    return float(bleu_score([" ".join(tokens(text)) for text in candidates], targets, n_gram=MAX_N))


def cider_d(candidates: Sequence[str], references: Sequence[str]) -> float:
    """CIDEr-D over a corpus, from 0 to 10: agreement in the words that distinguish images.

    N-grams of one to four tokens are weighted by inverse document frequency, so that "a photo of" has no
    weight if every caption contains it (Vedantam et al. 2015, arXiv 1411.5726, with the clipping and the
    length penalty of CIDEr-D).

    Args:
        candidates: N captions, N at least 2: all weights of a single image are zero.
        references: The N true captions.
    """
    candidate_grams, reference_grams = list(map(_grams, candidates)), list(map(_grams, references))
    document_frequency = Counter(gram for grams in reference_grams for gram in grams)
    log_n_images = math.log(len(candidates))

    def weighted(grams: Grams) -> list[dict[tuple[str, ...], float]]:
        vectors: list[dict[tuple[str, ...], float]] = [{} for _ in range(MAX_N)]
        for gram, count in grams.items():
            rarity = log_n_images - math.log(max(1, document_frequency[gram]))
            vectors[len(gram) - 1][gram] = count * rarity
        return vectors

    total = 0.0
    for grams, others in zip(candidate_grams, reference_grams, strict=True):
        penalty = math.exp(-((_length(grams) - _length(others)) ** 2) / (2 * SIGMA**2))
        pairs = zip(weighted(grams), weighted(others), strict=True)
        total += penalty * sum(_clipped_cosine(a, b) for a, b in pairs) / MAX_N
    return 10 * total / len(candidates)


def _clipped_cosine(
    candidate: dict[tuple[str, ...], float], reference: dict[tuple[str, ...], float]
) -> float:
    """Cosine similarity in which repeating a word more often than the reference adds nothing."""
    dot = sum(
        min(weight, reference[gram]) * reference[gram]
        for gram, weight in candidate.items()
        if gram in reference
    )
    norms = math.hypot(*candidate.values()) * math.hypot(*reference.values())
    return dot / norms if norms > 0 else 0.0


def _grams(text: str) -> Grams:
    words = tokens(text)
    return Counter(tuple(words[i : i + n]) for n in range(1, MAX_N + 1) for i in range(len(words) - n + 1))


def _length(grams: Grams) -> int:
    return sum(count for gram, count in grams.items() if len(gram) == 1)
