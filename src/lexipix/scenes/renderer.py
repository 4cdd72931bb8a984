"""Renders scenes as small anti-aliased images."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from lexipix.scenes import layout
from lexipix.scenes.grammar import BACKGROUNDS, COLORS, MAX_OBJECTS, SHAPES, Scene
from lexipix.scenes.shapes import masks

# Images rendered at once; limits the memory (about 30 MB at 32 pixels) and hardly affects the speed.
_CHUNK = 256


def render(scene: Scene, rng: np.random.Generator | None, image_size: int = 32) -> NDArray[np.uint8]:
    """One scene as an image, uint8 (image_size, image_size, 3); see `render_many`."""
    image: NDArray[np.uint8] = render_many([scene], rng, image_size)[0]
    return image


def render_many(
    scenes: Sequence[Scene], rng: np.random.Generator | None, image_size: int = 32
) -> NDArray[np.uint8]:
    """Scenes as images, with a jitter of position and size that is not part of the captions.

    Args:
        scenes: N scenes.
        rng: Random generator of the jitter (for each object up to 1 pixel on each axis at 32 pixels, and 6 %
            in size); None renders without jitter.
        image_size: Side in pixels; everything scales with it.

    Returns:
        RGB images, uint8, shape (N, image_size, image_size, 3).
    """
    n_images = len(scenes)
    jitter = np.zeros((n_images, MAX_OBJECTS, 3))
    if rng is not None:
        # The mean of two uniform numbers has the same bounds and is mostly near the place in the caption.
        jitter = rng.uniform(-1.0, 1.0, (2, *jitter.shape)).mean(axis=0)
    images = np.empty((n_images, image_size, image_size, 3), np.uint8)
    for start in range(0, n_images, _CHUNK):
        chunk = slice(start, start + _CHUNK)
        images[chunk] = _render_chunk(scenes[chunk], jitter[chunk], image_size)
    return images


def _render_chunk(scenes: Sequence[Scene], jitter: NDArray[np.float64], image_size: int) -> NDArray[np.uint8]:
    scale = image_size / layout.UNIT
    background = np.array([BACKGROUNDS[scene.background] for scene in scenes], np.float32)
    # Three planes instead of interleaved channels, so that products with a mask use contiguous memory
    canvas = np.repeat(background, image_size * image_size, axis=1).reshape(-1, 3, image_size, image_size)
    for shape in SHAPES:
        where = [
            (i, k)
            for i, scene in enumerate(scenes)
            for k, item in enumerate(scene.objects)
            if item.shape == shape
        ]
        if not where:
            continue
        items = [scenes[i].objects[k] for i, k in where]
        index = np.array(where)
        moved = jitter[index[:, 0], index[:, 1]]
        centers = np.array([layout.center(item.place, item.size) for item in items])
        centers += layout.POSITION_JITTER * moved[:, :2]
        radii = np.array([layout.RADII[item.size] for item in items]) * (1 + layout.SIZE_JITTER * moved[:, 2])
        mask = masks(shape, scale * centers[:, 0], scale * centers[:, 1], scale * radii, image_size)
        color = np.array([COLORS[item.color] for item in items], np.float32)
        # Objects do not overlap, so each adds its difference from the background. An image may have a shape
        # twice, hence add.at.
        change = (color - background[index[:, 0]])[:, :, None, None] * mask[:, None]
        np.add.at(canvas, index[:, 0], change)
    images: NDArray[np.uint8] = np.clip(canvas + 0.5, 0, 255).astype(np.uint8).transpose(0, 2, 3, 1)
    return images
