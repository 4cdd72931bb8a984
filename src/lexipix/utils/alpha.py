"""Transparency: images with four channels hold premultiplied colors, so that colors under alpha 0 are 0.

Premultiplied images are mixed, scaled and measured like opaque ones, and over white or black they are one
addition. Files, whose colors are not premultiplied, are converted when they are read and written.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Pixels = NDArray[np.uint8]

_SQUARE = 8  # side of the checkerboard's squares in pixels
_LIGHT, _DARK = 255, 221


def opaque(images: Pixels, background: ArrayLike = 255) -> Pixels:
    """Images over a background: uint8 (..., 4) to (..., 3); images without alpha stay as they are.

    The background is a gray level, a color, or an image that broadcasts to the others.
    """
    if images.shape[-1] != 4:
        return images
    behind = (255 - images[..., 3:].astype(np.uint16)) * np.asarray(background, np.uint16)
    over: Pixels = np.minimum(images[..., :3] + (behind + 127) // 255, 255).astype(np.uint8)
    return over


def on_checkerboard(images: Pixels) -> Pixels:
    """Images over the checkerboard that stands for transparency: uint8 (..., H, W, 4) to (..., H, W, 3)."""
    height, width = images.shape[-3:-1]
    rows, columns = np.arange(height)[:, None] // _SQUARE, np.arange(width) // _SQUARE
    return opaque(images, np.where((rows + columns) % 2 == 0, _LIGHT, _DARK)[..., None])


def straight(images: Pixels) -> Pixels:
    """Images as files hold them: colors that are not premultiplied, uint8 (..., 4); others stay."""
    if images.shape[-1] == 3:
        return images
    alpha = images[..., 3:].astype(np.uint16)
    colors = (images[..., :3].astype(np.uint16) * 255 + alpha // 2) // np.maximum(alpha, 1)
    return np.concatenate([np.minimum(colors, 255) * (alpha > 0), alpha], axis=-1).astype(np.uint8)


def premultiplied(images: Pixels) -> Pixels:
    """Images with the colors of files, uint8 (..., 4), as networks and metrics take them; others stay."""
    if images.shape[-1] == 3:
        return images
    alpha = images[..., 3:].astype(np.uint16)
    colors = (images[..., :3].astype(np.uint16) * alpha + 127) // 255
    return np.concatenate([colors, alpha], axis=-1).astype(np.uint8)
