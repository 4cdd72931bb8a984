"""Agreement of generated captions with reference captions: BLEU-4, CIDEr-D, exact match."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence

MAX_N = 4
# Chinese, Japanese and Korean text has no spaces between words: each of its characters is one token.
_TOKEN = re.compile(r"[぀-ヿ㐀-䶿一-鿿가-힯]|[^\W぀-ヿ㐀-䶿一-鿿가-힯]+|[^\w\s]")

Grams = Counter[tuple[str, ...]]


def tokens(text: str) -> list[str]:
    """Words and punctuation marks of a text in lower case; all metrics here count these."""
    return _TOKEN.findall(text.lower())


def exact_match(candidates: Sequence[str], references: Sequence[str]) -> float:
    """Share of candidates, in [0, 1], with the same tokens as their reference; case is ignored."""
    _check(candidates, references)
    return sum(tokens(c) == tokens(r) for c, r in zip(candidates, references, strict=True)) / len(candidates)


def bleu4(candidates: Sequence[str], references: Sequence[Sequence[str]]) -> float:
    """Corpus BLEU of n-grams of one to four tokens, in [0, 1], without smoothing (Papineni et al. 2002).

    Args:
        candidates: N captions.
        references: N lists of at least one true caption each.
    """
    from torchmetrics.functional.text import bleu_score  # takes seconds, and inference must not need torch

    _check(candidates, references)
    # torchmetrics splits at spaces. Of two references at the same distance in length, the shorter one counts.
    targets = [[" ".join(one) for one in sorted(map(tokens, group), key=len)] for group in references]
    return float(bleu_score([" ".join(tokens(text)) for text in candidates], targets, n_gram=MAX_N))


def cider_d(candidates: Sequence[str], references: Sequence[Sequence[str]], sigma: float = 6.0) -> float:
    """CIDEr-D over a corpus, from 0 to 10: agreement in the words that distinguish images.

    N-grams of one to four tokens are weighted by inverse document frequency, so that "a photo of" has no
    weight if every caption contains it (Vedantam et al. 2015, with the clipping and the length penalty of
    CIDEr-D).

    Args:
        candidates: N captions.
        references: N lists of at least one true caption each.
        sigma: Width in tokens of the penalty for a candidate longer or shorter than its reference.

    Raises:
        ValueError: There are fewer than two images; all weights, and so the result, would be zero.
    """
    _check(candidates, references)
    if len(candidates) < 2:
        raise ValueError(
            "CIDEr-D needs the captions of at least two images: it weights words by how few images have "
            "them, and with a single image every weight is zero."
        )
    reference_grams = [[_grams(r) for r in rs] for rs in references]
    document_frequency: Counter[tuple[str, ...]] = Counter()
    for group in reference_grams:
        document_frequency.update(set().union(*group))
    log_n_images = math.log(len(candidates))

    def weighted(grams: Grams) -> list[dict[tuple[str, ...], float]]:
        vectors: list[dict[tuple[str, ...], float]] = [{} for _ in range(MAX_N)]
        for gram, count in grams.items():
            rarity = log_n_images - math.log(max(1, document_frequency[gram]))
            vectors[len(gram) - 1][gram] = count * rarity
        return vectors

    total = 0.0
    for candidate, grams_of_references in zip(candidates, reference_grams, strict=True):
        grams = _grams(candidate)
        vectors = weighted(grams)
        scores = []
        for one in grams_of_references:
            penalty = math.exp(-((_length(grams) - _length(one)) ** 2) / (2 * sigma**2))
            pairs = zip(vectors, weighted(one), strict=True)
            scores.append(penalty * sum(_clipped_cosine(a, b) for a, b in pairs) / MAX_N)
        total += sum(scores) / len(scores)
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


def _check(candidates: Sequence[str], references: Sequence[Iterable[str]]) -> None:
    if not candidates or len(candidates) != len(references):
        raise ValueError(
            f"Each caption needs its references, got {len(candidates)} captions and {len(references)} "
            "references."
        )
