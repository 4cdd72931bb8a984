"""PSNR, SSIM and sharpness of 8-bit images, many at a time.

PSNR and SSIM are returned per image. The caller takes the mean: the mean of per-image PSNR is 0.8 to 1 dB
above the PSNR of the mean error, and a report must state which one it shows.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from lexipix.utils.alpha import opaque
from lexipix.utils.threads import on_all_cores

Pixels = NDArray[np.uint8]
PerImage = NDArray[np.float64]

DATA_RANGE = 255.0
# The PSNR of identical images is infinite. It is limited to 100 dB, so that a mean over images stays finite;
# a 32x32 image in which one value differs by one level has 83 dB, so no other pair comes near the limit.
PSNR_CAP = 100.0
WINDOW = 7  # scikit-image's default
_K1, _K2 = 0.01, 0.03
_CHUNK_VALUES = 8 * 32 * 32 * 3  # that one thread works on at a time; the arrays fit into a core's cache


def psnr(images: Pixels, others: Pixels) -> PerImage:
    """Peak signal-to-noise ratio of each pair of images, in dB; higher is better.

    Images are uint8 (N, H, W, C); with alpha they are compared over white.

    Returns:
        float64 (N,), `10 log10(255^2 / mean squared error)`, at most `PSNR_CAP` (for identical images).
    """

    def mean_squared_error(images: Pixels, others: Pixels) -> PerImage:
        difference = np.subtract(images, others, dtype=np.int32)
        return np.asarray(np.square(difference).mean(axis=(1, 2, 3), dtype=np.float64))

    with np.errstate(divide="ignore"):
        decibels: PerImage = 10 * np.log10(DATA_RANGE**2 / _per_image(mean_squared_error, images, others))
    return np.minimum(decibels, PSNR_CAP)


def ssim(images: Pixels, others: Pixels) -> PerImage:
    """Structural similarity of each pair of images; 1 is identical.

    Equals `skimage.metrics.structural_similarity(a, b, channel_axis=-1, data_range=255)` within 1e-6: a
    uniform 7x7 window, sample covariance, mean over the windows inside the image (Wang et al. 2004). It is
    several times as fast, since many images are measured at a time, in parallel threads.

    Images are uint8 (N, H, W, C), H and W at least 7; with alpha they are compared over white.

    Returns:
        float64 (N,), each in [-1, 1].

    Raises:
        ValueError: The images are smaller than the window.
    """
    if min(images.shape[1:3]) < WINDOW:
        height, width = images.shape[1:3]
        raise ValueError(f"SSIM needs images of at least {WINDOW}x{WINDOW} pixels, got {height}x{width}.")
    return _per_image(_ssim_of_chunk, images, others)


def _ssim_of_chunk(images: Pixels, others: Pixels) -> PerImage:
    """Multiplies numerator and denominator of the formula by n^2 and n (n - 1), n values in a window.

    This leaves integers, apart from the two constants; the largest are 312 million and fit into int32.
    """
    x, y, n = images.astype(np.int32), others.astype(np.int32), WINDOW**2
    sum_x, sum_y, sum_xy, sum_squares = map(_window_sums, (x, y, x * y, x * x + y * y))
    product, squares = sum_x * sum_y, sum_x * sum_x + sum_y * sum_y
    c1, c2 = (_K1 * DATA_RANGE) ** 2 * n * n, (_K2 * DATA_RANGE) ** 2 * n * (n - 1)
    whole = 2 * product, 2 * (n * sum_xy - product), squares, n * sum_squares - squares
    luminance, structure, luminance_scale, structure_scale = (values.astype(np.float32) for values in whole)
    similarity = (luminance + c1) * (structure + c2) / ((luminance_scale + c1) * (structure_scale + c2))
    return np.asarray(similarity.mean(axis=(1, 2, 3), dtype=np.float64))


def _window_sums(values: NDArray[np.int32]) -> NDArray[np.int32]:
    """Sums over the windows inside each image, (N, H - 6, W - 6, C); an overflow on the way cancels out."""
    for _ in range(2):  # over rows, then over columns
        sums = np.pad(values.cumsum(axis=1, dtype=np.int32), ((0, 0), (1, 0), (0, 0), (0, 0)))
        values = (sums[:, WINDOW:] - sums[:, :-WINDOW]).swapaxes(1, 2)
    return values


def _per_image(measure: Callable[[Pixels, Pixels], PerImage], images: Pixels, others: Pixels) -> PerImage:
    """Measures pairs of images chunk by chunk, on all cores; NumPy releases the GIL."""
    images, others = opaque(images), opaque(others)
    if images.shape != others.shape or not images.dtype == others.dtype == np.uint8:
        given = " and ".join(f"{one.dtype} {one.shape}" for one in (images, others))
        raise ValueError(f"Images are compared in pairs of one shape, uint8 (N, H, W, C), got {given}.")
    size = max(1, _CHUNK_VALUES // max(1, int(np.prod(images.shape[1:]))))
    chunks = [slice(start, start + size) for start in range(0, len(images), size)]
    measured = on_all_cores(lambda chunk: measure(images[chunk], others[chunk]), chunks)
    return np.concatenate([np.zeros(0), *measured])


def gradient_magnitude(images: Pixels) -> float:
    """Mean length of the brightness gradient in 8-bit levels per pixel, a measure of sharpness.

    Brightness is the mean of the channels; the gradient is the difference to the next pixel right and below.
    Blur and plain surfaces lower it. Images are uint8 (N, H, W, C), N at least 1.

    Returns:
        The mean over pixels and images of `sqrt(dx^2 + dy^2)`.
    """
    total = 0.0
    for start in range(0, len(images), 512):
        gray = opaque(images[start : start + 512]).mean(axis=-1, dtype=np.float32)
        right = gray[:, :-1, 1:] - gray[:, :-1, :-1]
        below = gray[:, 1:, :-1] - gray[:, :-1, :-1]
        total += float(np.hypot(right, below).mean(axis=(1, 2), dtype=np.float64).sum())
    return total / len(images)
