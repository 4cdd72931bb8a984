"""Previews for Kedro-Viz, which chooses how to show one by the name of the type that ``preview`` returns."""

import base64
import json
from typing import TYPE_CHECKING, NewType

from lexipix.utils.png import encode_png

if TYPE_CHECKING:
    import pandas as pd

    from lexipix.utils.types import StoredImages

ImagePreview = NewType("ImagePreview", str)
JSONPreview = NewType("JSONPreview", str)
PlotlyPreview = NewType("PlotlyPreview", dict)
TablePreview = NewType("TablePreview", dict)

COLUMNS, ROWS = 8, 3
PIXELS = 96  # small images are enlarged to about this side


def preview_png(content: bytes) -> ImagePreview:
    """A PNG file in the form that Kedro-Viz shows."""
    return ImagePreview(base64.b64encode(content).decode("ascii"))


def preview_images(images: "StoredImages") -> ImagePreview:
    """A grid of the first images, uint8 (N, H, W, C), with every pixel enlarged to a square."""
    import numpy as np

    from lexipix.utils.alpha import on_checkerboard

    first = on_checkerboard(np.asarray(images[: COLUMNS * ROWS]))
    scale = max(1, PIXELS // first.shape[1])
    first = first.repeat(scale, axis=1).repeat(scale, axis=2)
    n_empty = -len(first) % COLUMNS if len(first) else COLUMNS
    empty = np.full((n_empty, *first.shape[1:]), 255, np.uint8)
    rows = np.concatenate([first, empty]).reshape(-1, COLUMNS, *first.shape[1:])
    return preview_png(encode_png(np.concatenate([np.concatenate(list(row), axis=1) for row in rows])))


def preview_table(table: "pd.DataFrame") -> TablePreview:
    """A table in the form that Kedro-Viz shows; cells may be lists."""
    return TablePreview(json.loads(table.to_json(orient="split", default_handler=str)))
