"""Renders scenes as small anti-aliased images."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from lexipix.scenes import layout
from lexipix.scenes.grammar import BACKGROUNDS, COLORS, MAX_OBJECTS, Scene
from lexipix.scenes.shapes import masks


def render_many(
    scenes: Sequence[Scene], rng: np.random.Generator | None, image_size: int = 32
) -> NDArray[np.uint8]:
    """Scenes as RGB images, uint8 (N, image_size, image_size, 3); everything scales with the size.

    ``rng`` jitters each object by up to 1 pixel on each axis at 32 pixels, and by 6 % in size, which is not
    part of the captions; None renders without jitter.
    """
    jitter = np.zeros((len(scenes), MAX_OBJECTS, 3))
    if rng is not None:
        # The mean of two uniform numbers has the same bounds and is mostly near the place in the caption.
        jitter = rng.uniform(-1.0, 1.0, (2, *jitter.shape)).mean(axis=0)
    images = np.empty((len(scenes), image_size, image_size, 3), np.uint8)
    for image, scene, moves in zip(images, scenes, jitter, strict=True):
        image[:] = _render(scene, moves, image_size)
    return images


def _render(scene: Scene, jitter: NDArray[np.float64], image_size: int) -> NDArray[np.uint8]:
    scale = image_size / layout.UNIT
    background = np.array(BACKGROUNDS[scene.background], np.float32)
    canvas = np.tile(background, (image_size, image_size, 1))
    for item, (dx, dy, growth) in zip(scene.objects, jitter, strict=False):
        x, y = layout.center(item.place, item.size)
        center = x + layout.POSITION_JITTER * dx, y + layout.POSITION_JITTER * dy
        radius = layout.RADII[item.size] * (1 + layout.SIZE_JITTER * growth)
        column, row, reach = (np.array([scale * length]) for length in (*center, radius))
        (mask,) = masks(item.shape, column, row, reach, image_size)
        # Objects do not overlap, so each adds its difference from the background.
        canvas += (np.array(COLORS[item.color], np.float32) - background) * mask[:, :, None]
    image: NDArray[np.uint8] = np.clip(canvas + 0.5, 0, 255).astype(np.uint8)
    return image
