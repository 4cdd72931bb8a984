"""Sample sheets of pictures in pairs."""

import math

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from lexipix.training.data import to_uint8

Pixels = NDArray[np.uint8]
SHOWN_PIXELS = 96  # a picture is enlarged to about this, so that its own pixels can be seen
PAPER = 255


def two_rows(above: Tensor, below: Tensor) -> Pixels:
    """Lay pictures out, each above its partner: :func:`tile_pairs` of (N, 3, S, S) in about [-1, 1]."""
    return tile_pairs(to_uint8(above), to_uint8(below.float()))


def tile_pairs(above: Pixels, below: Pixels) -> Pixels:
    """Lay pictures out in pairs, each above its partner, as nearly square as can be.

    The MLflow UI shows a sheet at 256 pixels; a strip of sixteen pictures would leave each only sixteen.

    Args:
        above: uint8 (N, S, S, 3), N at least 1.
        below: The same shape.

    Returns:
        uint8 (height, width, 3): every pixel enlarged to a square of whole pixels, white between the pairs.
    """
    n_pairs, size = above.shape[:2]
    scale = max(1, SHOWN_PIXELS // size)
    pairs = np.concatenate([above, below], axis=1).repeat(scale, axis=1).repeat(scale, axis=2)
    height, width, gap = 2 * scale * size, scale * size, max(1, scale * size // 12)
    columns = min(n_pairs, math.ceil(math.sqrt(2 * n_pairs)))
    rows = math.ceil(n_pairs / columns)
    sheet = np.full((rows * (height + gap) - gap, columns * (width + gap) - gap, 3), PAPER, np.uint8)
    for number, pair in enumerate(pairs):
        y, x = number // columns * (height + gap), number % columns * (width + gap)
        sheet[y : y + height, x : x + width] = pair
    return sheet
