"""The eight shapes as signed distances and anti-aliased masks.

After Inigo Quilez, "2D distance functions" (https://iquilezles.org/articles/distfunctions2d/), with half
planes instead of exact distances at corners, because only the half pixel around edges matters.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]


def _box(x: Floats, y: Floats, width: float, height: float) -> Floats:
    distance: Floats = np.maximum(np.abs(x) - width, np.abs(y) - height)
    return distance


def _star(x: Floats, y: Floats) -> Floats:
    """A five-pointed star: the plane is folded into half a sector, which has one straight side."""
    tip, inner = 1.05, 0.46
    x, y = np.abs(x), -(y - 0.06)
    # Mirroring twice at the line 36 degrees from the vertical brings every point into [0, 36] degrees.
    normal_x, normal_y = np.cos(np.pi / 5), -np.sin(np.pi / 5)
    for _ in range(2):
        beyond = np.maximum(x * normal_x + y * normal_y, 0.0)
        x, y = np.abs(x - 2 * normal_x * beyond), y - 2 * normal_y * beyond
    notch_x, notch_y = inner * np.sin(np.pi / 5), inner * np.cos(np.pi / 5)
    length = np.hypot(notch_x, tip - notch_y)
    distance: Floats = (x * (tip - notch_y) + (y - tip) * notch_x) / length
    return distance


def _heart(x: Floats, y: Floats) -> Floats:
    scale = 0.6
    x, y = np.abs(x) * scale, 0.56 - y * scale
    lobes = np.hypot(x - 0.25, y - 0.75) - np.sqrt(2.0) / 4
    along = 0.5 * np.maximum(x + y, 0.0)
    point = np.minimum(np.hypot(x, y - 1.0), np.hypot(x - along, y - along)) * np.sign(x - y)
    distance: Floats = np.where(x + y > 1.0, lobes, point) / scale
    return distance


_SLOPE = np.hypot(1.8, 1.0)  # of the triangle's sides, from (0, -1) to (+-1, 0.8)

DISTANCES: dict[str, Callable[[Floats, Floats], Floats]] = {
    "circle": lambda x, y: np.hypot(x, y) - 0.95,
    "square": lambda x, y: np.maximum(np.abs(x), np.abs(y)) - 0.82,
    "triangle": lambda x, y: np.maximum(y - 0.8, (1.8 * np.abs(x) - (y + 1.0)) / _SLOPE),
    "diamond": lambda x, y: (np.abs(x) / 0.74 + np.abs(y) - 1.0) * (0.74 / np.hypot(0.74, 1.0)),
    "star": _star,
    "cross": lambda x, y: np.minimum(_box(x, y, 0.98, 0.31), _box(x, y, 0.31, 0.98)),
    "ring": lambda x, y: np.abs(np.hypot(x, y) - 0.71) - 0.27,
    "heart": _heart,
}


def masks(
    shape: str, x: NDArray[np.float64], y: NDArray[np.float64], radius: NDArray[np.float64], side: int
) -> NDArray[np.float32]:
    """Anti-aliased masks of one shape: the coverage of each pixel, 0 to 1, (N, side, side).

    Columns ``x``, rows ``y``, radii (N,) and ``side`` are in pixels; the first pixel's center is 0.5. The
    coverage is exact for straight edges along an axis and approximate for others.
    """
    inverse = (1.0 / radius).astype(np.float32)[:, None, None]
    column = np.arange(0.5, side, dtype=np.float32)[None, None, :]
    row = np.arange(0.5, side, dtype=np.float32)[None, :, None]
    unit_x = (column - x.astype(np.float32)[:, None, None]) * inverse
    unit_y = (row - y.astype(np.float32)[:, None, None]) * inverse
    unit_x, unit_y = np.broadcast_arrays(unit_x, unit_y)
    distance = DISTANCES[shape](unit_x, unit_y) / inverse
    covered: NDArray[np.float32] = np.clip(0.5 - distance, 0.0, 1.0).astype(np.float32, copy=False)
    return covered
