"""Quantization of numbers to n bits, and the code lengths of the result."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.floating]
Codes = NDArray[np.int64]

# Shares of a channel's numbers that may be outside the range on either side; each channel takes the best.
# With few bits, a narrow range with small steps loses less than a wide range that holds every number.
OUTSIDE = (0.0, 1e-4, 1e-3, 3e-3, 0.01, 0.02, 0.04, 0.07, 0.1, 0.15, 0.2, 0.25)
MAX_BITS = 16
TERMINATION = 2  # bits that an arithmetic coder adds to end its output (Rissanen 1976)


@dataclass(frozen=True)
class UniformQuantizer:
    """Rounds the numbers of each channel to 2^n evenly spaced values; numbers outside take the nearest.

    Attributes:
        low: Lower end of each channel's range, (C,).
        step: Width of each channel's cells, (C,); a number becomes the center of its cell.
        n_bits: n.
    """

    low: Numbers
    step: Numbers
    n_bits: int

    @classmethod
    def fit(cls, numbers: Numbers, n_bits: int) -> UniformQuantizer:
        """Quantizer whose range for each channel gives these numbers, (C, M), the smallest squared error."""
        numbers = np.asarray(numbers, np.float64)
        ends = np.quantile(numbers, [*OUTSIDE, *(1 - share for share in OUTSIDE)], axis=1)
        candidates = []
        for low, high in zip(ends[: len(OUTSIDE)], ends[len(OUTSIDE) :], strict=True):
            one = cls(low, np.maximum((high - low) / 2**n_bits, 1e-12), n_bits)
            error = np.square(one.values(one.codes(numbers.T)) - numbers.T).mean(axis=0)
            candidates.append((error, one))
        best = np.argmin([error for error, _ in candidates], axis=0), np.arange(len(numbers))
        low = np.stack([one.low for _, one in candidates])[best]
        return cls(low, np.stack([one.step for _, one in candidates])[best], n_bits)

    @classmethod
    def of_step(cls, numbers: Numbers, step: Numbers) -> UniformQuantizer:
        """Quantizer with cells of widths (C,) that covers all of these numbers, (C, M).

        0 is the center of a cell. The channel with the most cells decides the number of bits, at most 16.
        """
        low = (np.floor(numbers.min(axis=1) / step + 0.5) - 0.5) * step
        n_cells = np.ceil((numbers.max(axis=1) - low) / step).max()
        return cls(low, np.asarray(step, np.float64), int(np.clip(np.ceil(np.log2(n_cells)), 1, MAX_BITS)))

    def codes(self, numbers: Numbers) -> Codes:
        """Codes of numbers (…, C): int64 from 0 to 2^n - 1."""
        cells = np.floor((numbers - self.low) / self.step)
        return np.clip(cells, 0, 2**self.n_bits - 1).astype(np.int64)

    def values(self, codes: Codes) -> NDArray[np.float64]:
        """Numbers that codes (…, C) stand for."""
        values: NDArray[np.float64] = self.low + (codes + 0.5) * self.step
        return values


def code_lengths(codes: Codes, sample: Codes, n_codes: int) -> Codes:
    """Lengths of codes from an arithmetic coder that knows the frequencies in a sample.

    Each channel has its own table; 1 is added to every count, so that no code is impossible.

    Args:
        codes: (N, M, C), from 0 to ``n_codes`` - 1.
        sample: (K, C), likewise.
        n_codes: Number of different codes.

    Returns:
        Bits for the codes of each image, rounded up to whole bytes: int64 (N,).
    """
    counts = np.stack([np.bincount(channel, minlength=n_codes) for channel in sample.T]) + 1
    bits_of_codes = -np.log2(counts / counts.sum(axis=1, keepdims=True))  # (C, n_codes)
    bits = bits_of_codes[np.arange(codes.shape[-1]), codes].sum(axis=(1, 2))
    whole: Codes = (np.ceil((bits + TERMINATION) / 8) * 8).astype(np.int64)
    return whole
