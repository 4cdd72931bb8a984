"""Contact sheets: many small images in one, with captions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from lexipix.reporting.text import Pixels, TextBlock, wrap

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
    """One cell of a sheet: an image, a text, or an image with a text below it."""

    image: Pixels | None = None
    text: TextBlock | None = None

    @property
    def text_top(self) -> int:
        return 0 if self.image is None else self.image.shape[0] + CAPTION_LEADING

    @property
    def height(self) -> int:
        if self.text is not None and self.text.lines:
            return self.text_top + self.text.height
        return 0 if self.image is None else self.image.shape[0]

    def draw(self, pixels: Pixels, x: int, y: int) -> None:
        if self.image is not None:
            height, width = self.image.shape[:2]
            pixels[y - 1 : y + height + 1, x - 1 : x + width + 1] = HAIRLINE
            pixels[y : y + height, x : x + width] = self.image
        if self.text is not None:
            self.text.draw(pixels, x, y + self.text_top, INK)


def contact_sheet(
    images: Pixels,
    captions: Sequence[str | None] | None = None,
    columns: int = 8,
    scale: int = 3,
    title: str | None = None,
    max_lines: int = 8,
    fallbacks: Sequence[str] | None = None,
) -> Pixels:
    """Arranges images in a grid, enlarged without smoothing, each with its caption below it.

    Args:
        images: uint8 (N, H, W, 3).
        captions: N texts in any language, or None for images alone; a None among them stays empty.
        columns: Maximum number of images in a row.
        scale: Integer enlargement of every pixel.
        title: A heading over the whole sheet.
        max_lines: Longer captions end in an ellipsis.
        fallbacks: N short texts that replace captions for which this machine has no font; by default
            "image 1" and so on.

    Returns:
        uint8 (height, width, 3).

    Raises:
        ValueError: The images have another shape or type, or the number of captions differs from theirs.
    """
    _check(images)
    n_images, _, width = images.shape[:3]
    if captions is not None and len(captions) != n_images:
        raise ValueError(f"contact_sheet got {len(captions)} captions for {n_images} images.")
    columns = max(1, min(columns, n_images))
    cell_width = max(width * scale, MIN_CAPTION_WIDTH) if captions is not None else width * scale
    cells = [
        _Cell(
            _enlarge(image, scale), wrap(text or "", cell_width, CAPTION_SIZE, max_lines, fallback=fallback)
        )
        for image, text, fallback in zip(
            images, captions or [""] * n_images, fallbacks or _numbered(n_images), strict=True
        )
    ] or [_Cell(text=wrap("no images", cell_width, CAPTION_SIZE))]
    rows = [cells[start : start + columns] for start in range(0, len(cells), columns)]
    return _draw(rows, [cell_width] * columns, title)


def rows_sheet(
    rows: Mapping[str, Pixels | Sequence[str]],
    captions: Sequence[str] | None = None,
    scale: int = 3,
    title: str | None = None,
) -> Pixels:
    """Puts versions of the same images side by side: one row per image, one headed column per version.

    Args:
        rows: Heading to uint8 (N, H, W, 3), or heading to N texts, from left to right.
        captions: N texts for a last column without a heading.
        scale: Integer enlargement of every pixel.
        title: A heading over the whole sheet.

    Returns:
        uint8 (height, width, 3).

    Raises:
        ValueError: The columns are empty or of unequal length.
    """
    named = [*rows.items(), *([("", captions)] if captions is not None else [])]
    lengths = [len(column) for _, column in named]
    if len(set(lengths)) != 1:
        raise ValueError(f"rows_sheet needs columns of one length, got {lengths}.")
    widths, columns = [], []
    for name, column in named:
        if isinstance(column, np.ndarray):
            _check(column)
            widths.append(max(column.shape[2] * scale, 48))
            cells = [_Cell(_enlarge(image, scale)) for image in column]
        else:
            widths.append(TEXT_COLUMN_WIDTH)
            cells = [
                _Cell(text=wrap(text or "", TEXT_COLUMN_WIDTH, CAPTION_SIZE, fallback=fallback))
                for text, fallback in zip(column, _numbered(len(column)), strict=True)
            ]
        heading = wrap(name, widths[-1], HEADING_SIZE, max_lines=2, bold=True)
        columns.append([_Cell(text=heading), *cells])
    return _draw([list(row) for row in zip(*columns, strict=True)], widths, title)


def attention_sheet(
    image: Pixels, words: Sequence[str], maps: NDArray[np.floating], scale: int = 4, columns: int = 10
) -> Pixels:
    """Draws an image, then one copy per word with the captioner's attention for that word in orange.

    Args:
        image: uint8 (H, W, 3).
        words: T words or tokens.
        maps: (T, h, w), non-negative; each is divided by its maximum and enlarged smoothly to the image.
        scale: Integer enlargement of every pixel of the image.
        columns: Maximum number of images in a row.

    Returns:
        uint8 (height, width, 3), a contact sheet of T + 1 images.

    Raises:
        ValueError: The number of maps differs from that of the words.
    """
    if len(words) != len(maps):
        raise ValueError(f"attention_sheet got {len(maps)} maps for {len(words)} words.")
    large = _enlarge(image, scale)
    height, width = large.shape[:2]
    # In a pale gray copy the image stays recognizable, and only the attention has a color
    gray = large.astype(np.float32) @ np.array([0.299, 0.587, 0.114], np.float32)
    pale = np.repeat((96 + 0.6 * gray)[..., None], 3, axis=2)
    orange = np.array([230, 74, 0], np.float32)
    frames = [large]
    for attention in np.asarray(maps, np.float32):
        relative = Image.fromarray(attention / (attention.max(initial=0.0) or 1.0))
        smooth = np.asarray(relative.resize((width, height), Image.Resampling.BICUBIC))
        weight = 0.85 * smooth.clip(0, 1)[..., None]
        frames.append((pale * (1 - weight) + orange * weight).round().astype(np.uint8))
    code_points = [" ".join(f"U+{ord(character):04X}" for character in word) for word in words]
    return contact_sheet(
        np.stack(frames), ["", *words], columns, scale=1, max_lines=2, fallbacks=["", *code_points]
    )


def _draw(rows: Sequence[Sequence[_Cell]], widths: Sequence[int], title: str | None) -> Pixels:
    """Draws rows of cells below a title; a row is as high as its highest cell."""
    sheet_width = max(2 * MARGIN + sum(widths) + GAP * (len(widths) - 1), 2 * MARGIN + MIN_CAPTION_WIDTH)
    heading = wrap(title or "", sheet_width - 2 * MARGIN, TITLE_SIZE, max_lines=3, bold=True)
    heights = [height for row in rows if (height := max(cell.height for cell in row))]
    drawn = [heading.height] * bool(heading.lines) + heights
    pixels = np.full((2 * MARGIN + sum(drawn) + GAP * (len(drawn) - 1), sheet_width, 3), PAPER, np.uint8)
    heading.draw(pixels, MARGIN, MARGIN, INK)
    y = MARGIN + (heading.height + GAP if heading.lines else 0)
    for row in rows:
        height = max(cell.height for cell in row)
        x = MARGIN
        for cell, width in zip(row, widths, strict=False):  # the last row may be shorter
            cell.draw(pixels, x, y)
            x += width + GAP
        y += height + GAP if height else 0
    return pixels


def _check(images: Pixels) -> None:
    if images.ndim != 4 or images.shape[-1] != 3 or images.dtype != np.uint8:
        raise ValueError(f"A sheet is made of uint8 images (N, H, W, 3), got {images.dtype} {images.shape}.")


def _numbered(n: int) -> list[str]:
    return [f"image {number}" for number in range(1, n + 1)]


def _enlarge(image: Pixels, scale: int) -> Pixels:
    """Enlarges an image by whole pixels, so that a small one stays sharp."""
    return np.repeat(np.repeat(image, scale, axis=0), scale, axis=1)
