"""Sample grids: images in pairs, one above the other."""

import math

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from lexipix.data.images import to_uint8
from lexipix.utils.alpha import on_checkerboard

Pixels = NDArray[np.uint8]
SHOWN_PIXELS = 96  # an image is enlarged to about this, so that its own pixels can be seen
BACKGROUND = 255


def two_rows(above: Tensor, below: Tensor) -> Pixels:
    """Return :func:`tile_pairs` of tensors (N, C, S, S) in about [-1, 1]."""
    return tile_pairs(to_uint8(above), to_uint8(below.float()))


def tile_pairs(above: Pixels, below: Pixels) -> Pixels:
    """Return images in pairs, each above its partner, in a nearly square grid.

    The MLflow UI shows an image at 256 pixels; in a strip of 16 images each would have only 16. Every pixel
    of the images, uint8 (N, S, S, C), is enlarged to a square of whole pixels; the pairs are apart.
    """
    above, below = on_checkerboard(above), on_checkerboard(below)
    n_pairs, size = above.shape[:2]
    scale = max(1, SHOWN_PIXELS // size)
    width, gap, seam = scale * size, max(4, scale * size // 12), max(1, scale * size // 48)
    height = 2 * width + seam
    columns = min(n_pairs, math.ceil(math.sqrt(2 * n_pairs)))
    rows = math.ceil(n_pairs / columns)
    grid = np.full((rows * (height + gap) - gap, columns * (width + gap) - gap, 3), BACKGROUND, np.uint8)
    for number, pair in enumerate(zip(above, below, strict=True)):
        y, x = number // columns * (height + gap), number % columns * (width + gap)
        for top, image in zip((y, y + width + seam), pair, strict=True):
            large = image.repeat(scale, axis=0).repeat(scale, axis=1)
            grid[top : top + width, x : x + width] = large
    return grid
