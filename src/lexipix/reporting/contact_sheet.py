"""Contact sheets: many small images in one, uint8 (height, width, 3), with captions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from lexipix.reporting.text import Pixels, TextBlock, wrap
from lexipix.utils.alpha import on_checkerboard

PAPER = (255, 255, 255)
INK = (32, 33, 36)
HAIRLINE = (218, 220, 224)  # around each image, which would have no visible edge on white
MARGIN = 16
GAP = 12
CAPTION_SIZE = 12
CAPTION_LEADING = 5
HEADING_SIZE = 13
TITLE_SIZE = 16
MIN_CAPTION_WIDTH = 128  # fits two or three words a line, however small the image
TEXT_COLUMN_WIDTH = 200


@dataclass(frozen=True)
class _Cell:
    """An image, a text, or an image with a text below it."""

    text: TextBlock
    image: Pixels | None = None

    @property
    def text_top(self) -> int:
        return 0 if self.image is None else self.image.shape[0] + CAPTION_LEADING

    @property
    def height(self) -> int:
        if self.image is not None and not self.text.lines:
            return len(self.image)
        return self.text_top + self.text.height


def contact_sheet(
    images: Pixels,
    captions: Sequence[str | None] | None = None,
    columns: int = 8,
    scale: int = 3,
    title: str | None = None,
    max_lines: int = 8,
) -> Pixels:
    """Arranges images in a grid, enlarged without smoothing, each with its caption below it.

    Args:
        images: uint8 (N, H, W, C).
        captions: N texts in any language, or None for images alone; a None among them stays empty. "image 1"
            and so on replace captions for which this machine has no font.
        columns: Maximum number of images in a row.
        scale: Integer enlargement of every pixel.
        title: A heading over the whole sheet.
        max_lines: Longer captions end in an ellipsis.
    """
    images = on_checkerboard(images)
    n_images, _, width = images.shape[:3]
    columns = max(1, min(columns, n_images))
    cell_width = width * scale if captions is None else max(width * scale, MIN_CAPTION_WIDTH)
    texts = _wrapped(captions or [None] * n_images, cell_width, max_lines)
    cells = [_Cell(text, enlarge(image, scale)) for text, image in zip(texts, images, strict=True)]
    cells = cells or [_Cell(wrap("no images", cell_width, CAPTION_SIZE))]
    rows = [cells[start : start + columns] for start in range(0, len(cells), columns)]
    return _draw(rows, [cell_width] * columns, title)


def comparison_sheet(
    columns: Mapping[str, Pixels | Sequence[str]], scale: int = 3, title: str | None = None
) -> Pixels:
    """Puts versions of the same images side by side: one row per image, one headed column per version.

    Columns are uint8 (N, H, W, C) or N texts by heading, from left to right.
    """
    widths, cells = [], []
    for name, column in columns.items():
        if isinstance(column, np.ndarray):
            widths.append(max(column.shape[2] * scale, 48))
            empty = wrap("", widths[-1], CAPTION_SIZE)
            own = [_Cell(empty, enlarge(image, scale)) for image in on_checkerboard(column)]
        else:
            widths.append(TEXT_COLUMN_WIDTH)
            own = [_Cell(text) for text in _wrapped(column, TEXT_COLUMN_WIDTH)]
        heading = wrap(name, widths[-1], HEADING_SIZE, max_lines=2, bold=True)
        cells.append([_Cell(heading), *own])
    return _draw(list(zip(*cells, strict=True)), widths, title)


def _draw(rows: Sequence[Sequence[_Cell]], widths: Sequence[int], title: str | None) -> Pixels:
    """Draws rows of cells below a title; a row is as high as its highest cell."""
    width = max(sum(widths) + GAP * (len(widths) - 1), MIN_CAPTION_WIDTH)
    rows = [[_Cell(wrap(title or "", width, TITLE_SIZE, max_lines=3, bold=True))], *rows]
    heights = [max(cell.height for cell in row) for row in rows]
    tops = np.cumsum([MARGIN, *(height + GAP if height else 0 for height in heights)]).tolist()
    pixels = np.full((tops[-1] - GAP + MARGIN, width + 2 * MARGIN, 3), PAPER, np.uint8)
    for y, row in zip(tops, rows, strict=False):
        for column, cell in enumerate(row):
            x = MARGIN + sum(widths[:column]) + GAP * column
            if cell.image is not None:
                height, width = cell.image.shape[:2]
                pixels[y - 1 : y + height + 1, x - 1 : x + width + 1] = HAIRLINE
                pixels[y : y + height, x : x + width] = cell.image
            cell.text.draw(pixels, x, y + cell.text_top, INK)
    return pixels


def _wrapped(texts: Sequence[str | None], width: int, max_lines: int = 8) -> list[TextBlock]:
    return [
        wrap(text or "", width, CAPTION_SIZE, max_lines, fallback=f"image {number}")
        for number, text in enumerate(texts, 1)
    ]


def enlarge(image: Pixels, scale: int) -> Pixels:
    """Enlarges an image by a whole factor, so that a small one stays sharp."""
    return image.repeat(scale, axis=0).repeat(scale, axis=1)
