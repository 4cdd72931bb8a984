"""Many images of one size in one array."""

import base64
from typing import TYPE_CHECKING

from kedro_datasets._typing import ImagePreview

from lexipix.datasets.files import NumpyDataset
from lexipix.utils.png import encode_png

if TYPE_CHECKING:
    import numpy as np

PREVIEW_COLUMNS, PREVIEW_ROWS = 8, 3
PREVIEW_PIXELS = 96  # small images are enlarged to about this side


class ImageArrayDataset(NumpyDataset):
    """Images, uint8 (N, H, W, 3), as ``.npy``."""

    def preview(self) -> ImagePreview:
        """The first images, for Kedro-Viz."""
        return preview_images(self.load())


def preview_images(images: "np.ndarray") -> ImagePreview:
    """A grid of the first images, with every pixel enlarged to a square.

    Args:
        images: uint8 (N, H, W, 3).
    """
    import numpy as np

    first = np.asarray(images[: PREVIEW_COLUMNS * PREVIEW_ROWS])
    scale = max(1, PREVIEW_PIXELS // first.shape[1])
    first = first.repeat(scale, axis=1).repeat(scale, axis=2)
    n_empty = -len(first) % PREVIEW_COLUMNS if len(first) else PREVIEW_COLUMNS
    empty = np.full((n_empty, *first.shape[1:]), 255, np.uint8)
    rows = np.concatenate([first, empty]).reshape(-1, PREVIEW_COLUMNS, *first.shape[1:])
    grid = np.concatenate([np.concatenate(list(row), axis=1) for row in rows])
    return ImagePreview(base64.b64encode(encode_png(grid)).decode("ascii"))
