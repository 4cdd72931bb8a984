"""Many pictures of one size in one array."""

import base64
from typing import TYPE_CHECKING

from kedro_datasets._typing import ImagePreview

from lexipix.datasets.files import NumpyDataset
from lexipix.utils.png import encode_png

if TYPE_CHECKING:
    import numpy as np

COLUMNS, ROWS = 8, 3
SHOWN_PIXELS = 96  # a small picture is enlarged to about this


class PictureArrayDataset(NumpyDataset):
    """Pictures, uint8 (N, H, W, 3), as ``.npy``."""

    def preview(self) -> ImagePreview:
        """Show the first pictures in Kedro-Viz."""
        return preview_pictures(self.load())


def preview_pictures(images: "np.ndarray") -> ImagePreview:
    """Lay the first pictures out in rows, every pixel enlarged to a square.

    Args:
        images: uint8 (N, H, W, 3).
    """
    import numpy as np

    first = np.asarray(images[: COLUMNS * ROWS])
    scale = max(1, SHOWN_PIXELS // first.shape[1])
    first = first.repeat(scale, axis=1).repeat(scale, axis=2)
    n_empty = -len(first) % COLUMNS if len(first) else COLUMNS
    empty = np.full((n_empty, *first.shape[1:]), 255, np.uint8)
    rows = np.concatenate([first, empty]).reshape(-1, COLUMNS, *first.shape[1:])
    sheet = np.concatenate([np.concatenate(list(row), axis=1) for row in rows])
    return ImagePreview(base64.b64encode(encode_png(sheet)).decode("ascii"))
