"""Plain implementations that `lexipix.metrics` must agree with: scikit-image and formulas in NumPy."""

import math
from collections import Counter

import numpy as np
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from lexipix.metrics.text import tokens


def psnr_and_ssim(images: np.ndarray, others: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    pairs = [(images[i], others[i]) for i in range(len(images))]
    with np.errstate(divide="ignore"):  # identical images have no finite PSNR
        psnr = [peak_signal_noise_ratio(a, b, data_range=255) for a, b in pairs]
    ssim = [structural_similarity(a, b, channel_axis=-1, data_range=255) for a, b in pairs]
    return np.array(psnr), np.array(ssim)


def kid(
    real: np.ndarray, fake: np.ndarray, n_subsets: int, subset_size: int, seed: int
) -> tuple[float, float]:
    """Unbiased squared MMD with the kernel (x.y / D + 1)^3 over subsets drawn by NumPy."""
    rng = np.random.default_rng(seed)
    estimates = []
    for _ in range(n_subsets):
        x = real[rng.choice(len(real), subset_size, replace=False)]
        y = fake[rng.choice(len(fake), subset_size, replace=False)]
        xx, yy, xy = ((a @ b.T / x.shape[1] + 1) ** 3 for a, b in ((x, x), (y, y), (x, y)))
        within = (xx.sum() - np.trace(xx) + yy.sum() - np.trace(yy)) / (subset_size * (subset_size - 1))
        estimates.append(within - 2 * xy.mean())
    return float(np.mean(estimates)), float(np.std(estimates))


def frechet_distance(real: np.ndarray, fake: np.ndarray) -> float:
    """|m1 - m2|^2 + tr(C1 + C2 - 2 (C1^(1/2) C2 C1^(1/2))^(1/2))."""
    difference = real.mean(axis=0) - fake.mean(axis=0)
    first, second = (np.atleast_2d(np.cov(x, rowvar=False)) for x in (real, fake))
    values, vectors = np.linalg.eigh(first)
    root = (vectors * np.sqrt(values.clip(min=0))) @ vectors.T
    shared = np.linalg.eigvalsh(root @ second @ root)
    distance = difference @ difference + np.trace(first) + np.trace(second)
    return float(max(0.0, distance - 2 * np.sqrt(shared.clip(min=0)).sum()))


def bleu4(candidates: list[str], references: list[list[str]]) -> float:
    """Corpus BLEU of Papineni et al. 2002, in double precision."""
    matches, totals = Counter(), Counter()
    n_words = n_reference_words = 0
    for candidate, group in zip(candidates, references, strict=True):
        grams, best = ngrams(candidate), Counter()
        for reference in group:
            best |= ngrams(reference)
        for gram, count in grams.items():
            totals[len(gram)] += count
            matches[len(gram)] += min(count, best[gram])
        length = len(tokens(candidate))
        n_words += length
        n_reference_words += min((len(tokens(one)) for one in group), key=lambda n: (abs(n - length), n))
    if any(matches[n] == 0 for n in range(1, 5)):
        return 0.0
    precision = math.exp(sum(math.log(matches[n] / totals[n]) for n in range(1, 5)) / 4)
    return precision * min(1.0, math.exp(1 - n_reference_words / n_words))


def ngrams(text: str) -> Counter:
    words = tokens(text)
    return Counter(tuple(words[i : i + n]) for n in range(1, 5) for i in range(len(words) - n + 1))
