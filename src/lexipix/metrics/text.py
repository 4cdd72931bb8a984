"""How close written captions come to the given ones: BLEU-4, CIDEr-D, exact match."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence

MAX_N = 4
# Chinese, Japanese and Korean text has no spaces between words: there each character counts as a word.
_TOKEN = re.compile(r"[぀-ヿ㐀-䶿一-鿿가-힯]|[^\W぀-ヿ㐀-䶿一-鿿가-힯]+|[^\w\s]")

Grams = Counter[tuple[str, ...]]


def tokens(text: str) -> list[str]:
    """Words and punctuation marks of a text in lower case, the units all figures here count."""
    return _TOKEN.findall(text.lower())


def exact_match(candidates: Sequence[str], references: Sequence[str]) -> float:
    """Share of candidates, in [0, 1], that say the same words as their reference; case does not count."""
    _check(candidates, references)
    return sum(tokens(c) == tokens(r) for c, r in zip(candidates, references, strict=True)) / len(candidates)


def bleu4(candidates: Sequence[str], references: Sequence[Sequence[str]]) -> float:
    """Corpus BLEU of runs of one to four words, in [0, 1], not smoothed (Papineni et al. 2002).

    Written here because importing torchmetrics for it takes longer than counting the words of a whole test
    split.

    Args:
        candidates: N captions.
        references: N lists of at least one true caption each.
    """
    _check(candidates, references)
    matches, totals = Counter[int](), Counter[int]()
    n_words = n_reference_words = 0
    for candidate, truths in zip(candidates, references, strict=True):
        grams, truth_grams = _grams(candidate), [_grams(truth) for truth in truths]
        best: Grams = Counter()
        for one in truth_grams:
            best |= one
        for gram, count in grams.items():
            totals[len(gram)] += count
            matches[len(gram)] += min(count, best[gram])
        length = _length(grams)
        n_words += length
        n_reference_words += min((_length(one) for one in truth_grams), key=lambda n: (abs(n - length), n))
    if any(matches[n] == 0 for n in range(1, MAX_N + 1)):
        return 0.0
    precision = math.exp(sum(math.log(matches[n] / totals[n]) for n in range(1, MAX_N + 1)) / MAX_N)
    return precision * min(1.0, math.exp(1 - n_reference_words / n_words))


def cider_d(candidates: Sequence[str], references: Sequence[Sequence[str]], sigma: float = 6.0) -> float:
    """CIDEr-D over a corpus, from 0 to 10: agreement in the words that tell pictures apart.

    Runs of one to four words are weighted by how few images' references hold them, so that "a photo of"
    counts for nothing where every caption says it (Vedantam et al. 2015, with the clipping and length penalty
    of its -D form).

    Args:
        candidates: N captions.
        references: N lists of at least one true caption each.
        sigma: Width of the penalty for a candidate longer or shorter than its reference, in words.

    Raises:
        ValueError: There are fewer than two images: all weights are then zero, and so would be the figure.
    """
    _check(candidates, references)
    if len(candidates) < 2:
        raise ValueError(
            "CIDEr-D needs the captions of at least two images: it weighs words by how few of the images "
            "have them, and with a single image every weight is zero."
        )
    reference_grams = [[_grams(r) for r in rs] for rs in references]
    document_frequency: Counter[tuple[str, ...]] = Counter()
    for of_image in reference_grams:
        document_frequency.update(set().union(*of_image))
    log_n_images = math.log(len(candidates))

    def weighted(grams: Grams) -> list[dict[tuple[str, ...], float]]:
        vectors: list[dict[tuple[str, ...], float]] = [{} for _ in range(MAX_N)]
        for gram, count in grams.items():
            rarity = log_n_images - math.log(max(1, document_frequency[gram]))
            vectors[len(gram) - 1][gram] = count * rarity
        return vectors

    total = 0.0
    for candidate, truth_grams in zip(candidates, reference_grams, strict=True):
        grams = _grams(candidate)
        vectors = weighted(grams)
        scores = []
        for one in truth_grams:
            penalty = math.exp(-((_length(grams) - _length(one)) ** 2) / (2 * sigma**2))
            pairs = zip(vectors, weighted(one), strict=True)
            scores.append(penalty * sum(_clipped_cosine(a, b) for a, b in pairs) / MAX_N)
        total += sum(scores) / len(scores)
    return 10 * total / len(candidates)


def _clipped_cosine(
    candidate: dict[tuple[str, ...], float], reference: dict[tuple[str, ...], float]
) -> float:
    """Cosine in which saying a word more often than the reference does earns nothing."""
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
            f"Captions are compared one by one with their references, got {len(candidates)} captions and "
            f"{len(references)} (lists of) references."
        )
