"""Artefacts that an eye sees and PSNR does not: ripple on flat areas, grids, ghosts around objects.

All images are uint8 (N, H, W, C), measured over white where they have alpha. Drawn and real images
are compared in pairs, or as two sets.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lexipix.utils.alpha import opaque

Pixels = NDArray[np.uint8]

FLAT = 2  # levels by which the eight neighbors of a flat pixel may differ from it
WHITE = 250  # a background of at least this brightness in every channel does not count as flat
BACKGROUND_SHARE = 0.8  # of an image's border that must have one color to be a background
PERIODS = (2, 4, 8)
_CHUNK = 512


def flat_ripple(drawn: Pixels, real: Pixels) -> float | None:
    """Mean absolute difference of a pixel from the mean of its four neighbors where the real image is flat.

    White background does not count. Real flat areas have about 0; grain of one level has about 1.

    Returns:
        The mean over all flat pixels of all images, in levels of 8 bits, [0, 255]; None if there are none.
    """
    total, count = 0.0, 0
    for start in range(0, len(drawn), _CHUNK):
        x, y = (opaque(images[start : start + _CHUNK]).astype(np.int16) for images in (drawn, real))
        center = y[:, 1:-1, 1:-1]
        flat = center.min(axis=-1) < WHITE
        for dy in range(3):
            for dx in range(3):
                other = y[:, dy : dy + center.shape[1], dx : dx + center.shape[2]]
                flat &= (np.abs(other - center) <= FLAT).all(axis=-1)
        around = x[:, :-2, 1:-1] + x[:, 2:, 1:-1] + x[:, 1:-1, :-2] + x[:, 1:-1, 2:]
        ripple = np.abs(4 * x[:, 1:-1, 1:-1] - around).mean(axis=-1) / 4
        total += float(ripple[flat].sum())
        count += int(flat.sum())
    return total / count if count else None


def period_power(drawn: Pixels, real: Pixels) -> dict[int, float]:
    """Power of rows and columns at periods of 2, 4 and 8 pixels, as a multiple of the real images' power.

    More than 1 is a grid or grain, less than 1 is blur. Periods that the real images lack are absent.
    """
    ours, theirs = _spectrum(drawn), _spectrum(real)
    side = real.shape[1]
    return {
        period: float(ours[side // period] / theirs[side // period])
        for period in PERIODS
        if theirs[side // period] > 0
    }


def _spectrum(images: Pixels) -> NDArray[np.float64]:
    """Mean power of rows and columns by frequency, (S // 2 + 1,)."""
    total = np.zeros(images.shape[1] // 2 + 1)
    for start in range(0, len(images), _CHUNK):
        some = opaque(images[start : start + _CHUNK]).astype(np.float32)
        for axis in (1, 2):
            power = np.square(np.abs(np.fft.rfft(some, axis=axis)))
            total += np.moveaxis(power, axis, 0).mean(axis=(1, 2, 3)) * len(some)
    return total / (2 * len(images))


def ghost_index(drawn: Pixels, real: Pixels) -> float | None:
    """Mean difference from the background color, in levels, where the real image shows its background.

    An image has a background if four fifths of its border have one color, within two levels.

    Returns:
        The mean over the images with a background; None if there are none.
    """
    found = []
    for x, y in zip(opaque(drawn).astype(np.int16), opaque(real).astype(np.int16), strict=True):
        border = np.concatenate([y[0], y[-1], y[:, 0], y[:, -1]])
        color = np.median(border, axis=0).astype(np.int16)
        if (np.abs(border - color).max(axis=-1) <= FLAT).mean() >= BACKGROUND_SHARE:
            background = np.abs(y - color).max(axis=-1) <= FLAT
            found.append(float(np.abs(x - color)[background].mean()))
    return float(np.mean(found)) if found else None
