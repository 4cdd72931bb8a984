"""Images that follow each other as one file: GIF, WebP, and a sprite sheet."""

from io import BytesIO
from typing import Literal

import numpy as np
from PIL import Image

from lexipix.reporting.text import Pixels
from lexipix.utils.alpha import straight

AnimationFormat = Literal["gif", "webp"]


def encode_animation(images: Pixels, kind: AnimationFormat, frames_per_s: float = 30) -> bytes:
    """An endless animation of images, uint8 (N, H, W, 3), or (N, H, W, 4) with premultiplied colors.

    WebP is lossless. GIF has 256 colors for each image, alpha of 0 or 1, and times in hundredths of a second,
    so that 30 images a second become 33.
    """
    frames = [Image.fromarray(straight(image)) for image in images]
    options = {"disposal": 2} if kind == "gif" else {"lossless": True}
    file = BytesIO()
    frames[0].save(
        file, kind, save_all=True, append_images=frames[1:], duration=int(1000 / frames_per_s), loop=0,
        **options,
    )  # fmt: skip
    return file.getvalue()


def sprite_sheet(images: Pixels, columns: int) -> Pixels:
    """Images (N, H, W, C) edge to edge in rows: (rows * H, columns * W, C); places behind the last are 0."""
    n_images, height, width, channels = images.shape
    rows = -(-n_images // columns)
    cells = np.zeros((rows * columns, height, width, channels), images.dtype)
    cells[:n_images] = images
    by_row = cells.reshape(rows, columns, height, width, channels).transpose(0, 2, 1, 3, 4)
    return by_row.reshape(rows * height, columns * width, channels)
