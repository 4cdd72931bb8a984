"""PSNR, SSIM and sharpness of 8-bit images, many at a time.

PSNR and SSIM are returned per image. The caller takes the mean: the mean of per-image PSNR is 0.8 to 1 dB
above the PSNR of the mean error, and a report must state which one it shows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from lexipix.utils.machine import n_cores
from lexipix.utils.threads import on_all_cores

Pixels = NDArray[np.uint8]
PerImage = NDArray[np.float64]

DATA_RANGE = 255.0
# The PSNR of identical images is infinite. It is limited to 100 dB, so that a mean over images stays finite;
# a 32x32 image in which one value differs by one level has 83 dB, so no other pair comes near the limit.
PSNR_CAP = 100.0
WINDOW = 7  # scikit-image's default
_K1, _K2 = 0.01, 0.03
# Values that one thread works on at a time; the arrays then fit into a core's cache.
_CHUNK_VALUES = 16 * 32 * 32 * 3


def psnr(images: Pixels, others: Pixels) -> PerImage:
    """Peak signal-to-noise ratio of each pair of images, in dB; higher is better.

    Args:
        images: uint8 (N, H, W, C).
        others: The same shape.

    Returns:
        float64 (N,), `10 log10(255^2 / mean squared error)`, at most `PSNR_CAP` (for identical images).

    Raises:
        ValueError: The shapes differ or are not uint8 (N, H, W, C).
    """
    _check_pair(images, others)
    n_images, height, width, n_channels = images.shape
    shape = n_images, height, width * n_channels
    rows, other_rows = images.reshape(shape), others.reshape(shape)
    squared_error = np.empty(n_images, np.int64)

    def measure(chunk: slice) -> None:
        difference = np.subtract(rows[chunk], other_rows[chunk], dtype=np.int32)
        # Rows are summed in int32, which rows of up to 11,000 pixels cannot overflow, then images in int64.
        squared_error[chunk] = np.einsum("nhv,nhv->nh", difference, difference).sum(axis=1, dtype=np.int64)

    _in_chunks(lambda size: measure, n_images, height * width * n_channels)
    mean = squared_error / (height * width * n_channels)
    with np.errstate(divide="ignore"):
        decibels: PerImage = 10 * np.log10(DATA_RANGE**2 / mean)
    return np.minimum(decibels, PSNR_CAP)


def ssim(images: Pixels, others: Pixels) -> PerImage:
    """Structural similarity of each pair of images; 1 is identical.

    Equals `skimage.metrics.structural_similarity(a, b, channel_axis=-1, data_range=255)` within 1e-6: a
    uniform 7x7 window, sample covariance, mean over the windows inside the image (Wang et al. 2004). It is
    ten times as fast: window sums of 8-bit values are exact integers, computed for many images at a time and
    in parallel threads.

    Args:
        images: uint8 (N, H, W, C), H and W at least 7.
        others: The same shape.

    Returns:
        float64 (N,), each in [-1, 1].

    Raises:
        ValueError: The shapes differ, are not uint8 (N, H, W, C), or are smaller than the window.
    """
    _check_pair(images, others)
    n_images, height, width, n_channels = images.shape
    if min(height, width) < WINDOW:
        raise ValueError(f"SSIM needs images of at least {WINDOW}x{WINDOW} pixels, got {height}x{width}.")
    similarity = np.empty(n_images)

    def worker(size: int) -> Callable[[slice], None]:
        of_chunk = _SsimOfChunk(size, height, width, n_channels)

        def measure(chunk: slice) -> None:
            similarity[chunk] = of_chunk(images[chunk], others[chunk])

        return measure

    _in_chunks(worker, n_images, height * width * n_channels)
    return similarity


def gradient_magnitude(images: Pixels) -> float:
    """Mean length of the brightness gradient in 8-bit levels per pixel, a measure of sharpness.

    Brightness is the mean of the channels; the gradient is the difference to the next pixel right and below.
    Blur and plain surfaces lower it.

    Args:
        images: uint8 (N, H, W, C), N at least 1.

    Returns:
        The mean over pixels and images of `sqrt(dx^2 + dy^2)`.
    """
    if not len(images):
        raise ValueError("gradient_magnitude needs at least one image.")
    total = 0.0
    for start in range(0, len(images), 512):
        gray = images[start : start + 512].mean(axis=-1, dtype=np.float32)
        right = gray[:, :-1, 1:] - gray[:, :-1, :-1]
        below = gray[:, 1:, :-1] - gray[:, :-1, :-1]
        total += float(np.hypot(right, below).mean(axis=(1, 2), dtype=np.float64).sum())
    return total / len(images)


class _SsimOfChunk:
    """SSIM of a few images stored end to end as one long row of values.

    With n = 49 values in a window and S the window sums, multiplying numerator and denominator of the formula
    by n^2 and n(n-1) leaves integers, apart from the two constants:
    `(2 Sx Sy + c1)(2 (n Sxy - Sx Sy) + c2) / ((Sx^2 + Sy^2 + c1)(n (Sxx + Syy) - Sx^2 - Sy^2 + c2))`.
    The largest, 2 n Sxy and n (Sxx + Syy), are 312 million, so all of them fit into int32 and the differences
    are exact; only the final products are rounded (float32).

    In the long row, the neighbor to the right or below has a fixed offset. Windows that cross an edge into
    the next row or image are computed too and left out of the mean: a third more arithmetic, but over
    thousands of values at a time, which NumPy does several times faster than row by row. Each thread
    allocates its arrays
    once: new arrays for each chunk would cost more time than the arithmetic.
    """

    def __init__(self, size: int, height: int, width: int, n_channels: int) -> None:
        self._shape = size, height, width * n_channels
        self._n_channels = n_channels
        n_values = size * height * width * n_channels
        self._narrow = np.zeros((5, n_values), np.uint16)  # 49 * 255 fits 16 bits, and so does 255 * 255
        self._wide = np.zeros((7, n_values), np.int32)
        self._real = np.zeros((4, n_values), np.float32)

    def __call__(self, images: Pixels, others: Pixels) -> PerImage:
        self._sum_windows(images, others)
        twice_xy, sum_x, sum_y, sum_xy, sum_squares = self._wide[:5]
        n = WINDOW**2
        np.multiply(sum_x, sum_y, out=twice_xy)
        twice_xy *= 2
        sum_x *= sum_x
        sum_y *= sum_y
        sum_x += sum_y
        sum_xy *= 2 * n
        sum_xy -= twice_xy
        sum_squares *= n
        sum_squares -= sum_x

        for real, whole in zip(self._real, (twice_xy, sum_xy, sum_x, sum_squares), strict=True):
            real[:] = whole
        luminance, structure, luminance_scale, structure_scale = self._real
        c1, c2 = (_K1 * DATA_RANGE) ** 2 * n * n, (_K2 * DATA_RANGE) ** 2 * n * (n - 1)
        luminance += np.float32(c1)
        structure += np.float32(c2)
        luminance_scale += np.float32(c1)
        structure_scale += np.float32(c2)
        luminance *= structure
        luminance_scale *= structure_scale
        luminance /= luminance_scale
        inside = luminance.reshape(self._shape)[
            : len(images), : 1 - WINDOW, : (1 - WINDOW) * self._n_channels
        ]
        similarity: PerImage = inside.mean(axis=(1, 2), dtype=np.float64)
        return similarity

    def _sum_windows(self, images: Pixels, others: Pixels) -> None:
        """Write the window sums of x, y, x y and x^2 + y^2 into the second to fifth of the wide arrays."""
        x, y, square, *narrow_space = self._narrow
        _, sum_x, sum_y, sum_xy, sum_squares, *wide_space = self._wide
        n_values = images.size
        x[:n_values], y[:n_values] = images.reshape(-1), others.reshape(-1)
        np.multiply(x, y, out=square)
        sum_xy[:] = square
        np.multiply(x, x, out=square)
        sum_squares[:] = square
        np.multiply(y, y, out=square)
        sum_squares += square
        for values, space in (
            (x, narrow_space),
            (y, narrow_space),
            (sum_xy, wide_space),
            (sum_squares, wide_space),
        ):
            _add_seven(values, self._shape[2], space)
            _add_seven(values, self._n_channels, space)
        sum_x[:], sum_y[:] = x, y


def _add_seven(values: NDArray[np.integer], step: int, space: Sequence[NDArray[np.integer]]) -> None:
    """Add to each value the six that follow it at distances of `step`, in place.

    Four additions for seven values: pairs, pairs of pairs, another pair, the last value.
    """
    pairs, total = space
    n = len(values) - (WINDOW - 1) * step
    n_pairs = len(values) - step
    np.add(values[:n_pairs], values[step:], out=pairs[:n_pairs])
    np.add(pairs[:n], pairs[2 * step : 2 * step + n], out=total[:n])
    total[:n] += pairs[4 * step : 4 * step + n]
    np.add(total[:n], values[6 * step :], out=values[:n])


def _in_chunks(
    worker: Callable[[int], Callable[[slice], None]], n_images: int, values_per_image: int
) -> None:
    """Call a function on slices that cover the images, on all cores; NumPy releases the GIL.

    Args:
        worker: Takes the number of images in a slice and returns what one thread calls on each of its slices.
        n_images: Images to cover.
        values_per_image: Size of one image, which decides the number of images in a slice.
    """
    size = min(n_images, max(1, _CHUNK_VALUES // max(1, values_per_image)))
    chunks = [slice(start, min(start + size, n_images)) for start in range(0, n_images, size or 1)]
    n_threads = max(1, min(n_cores(), len(chunks) // 4))

    def run(first: int) -> None:
        measure = worker(size)
        for chunk in chunks[first::n_threads]:
            measure(chunk)

    on_all_cores(run, range(n_threads))


def _check_pair(images: Pixels, others: Pixels) -> None:
    for one in (images, others):
        if one.ndim != 4 or one.dtype != np.uint8:
            raise ValueError(f"Images are compared as uint8 (N, H, W, C), got {one.dtype} {one.shape}.")
    if images.shape != others.shape:
        raise ValueError(f"Images are compared in pairs of one shape, got {images.shape} and {others.shape}.")
