"""Positions and extents of objects, in units of a 32-pixel image; all lengths scale with the image size."""

from __future__ import annotations

import math

UNIT = 32.0  # the image's side
POSITION_JITTER = 1.0  # at most, on each axis
SIZE_JITTER = 0.06  # relative, at most
# Half the side of the bounding box of a shape. 3.9 is the smallest radius at which an eye distinguishes the
# eight shapes at 32 pixels; 6.1 is the largest at which two big objects fit side by side.
RADII = {"small": 3.9, "big": 6.1}
MIN_GAP = 1.0  # background left between two objects in the worst case
# Distance between the centers of the outer places and the image's edge; nothing is cut off.
_EDGE = {"small": 5.75, "big": 7.75}
# Extent of a shape from its center, in radii: along an axis, and to its farthest point.
_AXIS_REACH = 1.01
_REACH = {
    "circle": 0.97,
    "square": 1.16,
    "triangle": 1.29,
    "diamond": 1.0,
    "star": 1.1,
    "cross": 1.04,
    "ring": 0.98,
    "heart": 1.12,
}


def center(place: str, size: str) -> tuple[float, float]:
    """Center (x, y) of an object at ``place`` before jitter; y grows downwards."""
    offset = UNIT / 2 - _EDGE[size]
    x = ("right" in place) - ("left" in place)
    y = ("bottom" in place) - ("top" in place)
    return UNIT / 2 + x * offset, UNIT / 2 + y * offset


def are_apart(a: tuple[str, str, str], b: tuple[str, str, str]) -> bool:
    """Whether two (shape, size, place) stay ``MIN_GAP`` apart under any jitter."""
    (ax, ay), (bx, by) = center(a[2], a[1]), center(b[2], b[1])
    dx = max(abs(ax - bx) - 2 * POSITION_JITTER, 0.0)
    dy = max(abs(ay - by) - 2 * POSITION_JITTER, 0.0)
    radius_a, radius_b = (RADII[item[1]] * (1 + SIZE_JITTER) for item in (a, b))
    if max(dx, dy) >= _AXIS_REACH * (radius_a + radius_b) + MIN_GAP:
        return True
    return math.hypot(dx, dy) >= _REACH[a[0]] * radius_a + _REACH[b[0]] * radius_b + MIN_GAP
