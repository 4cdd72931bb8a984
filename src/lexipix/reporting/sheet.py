"""Contact sheets: many small pictures in one that a person can read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from lexipix.reporting import lettering

Pixels = NDArray[np.uint8]

PAPER = (255, 255, 255)
INK = (32, 33, 36)
FAINT = (112, 117, 122)
HAIRLINE = (218, 220, 224)  # round each picture, or one on a white ground has no edge
MARGIN = 16
GAP = 12
CAPTION_SIZE = 12
CAPTION_LEADING = 5
HEADING_SIZE = 13
TITLE_SIZE = 16
# Twelve-pixel text needs about this much to keep two or three words in a line, however small the picture.
MIN_CAPTION_WIDTH = 128


def contact_sheet(
    images: Pixels,
    captions: Sequence[str | None] | None = None,
    columns: int = 8,
    scale: int = 3,
    title: str | None = None,
    max_lines: int = 8,
    keys: Sequence[str] | None = None,
) -> Pixels:
    """Lays pictures out in a grid, enlarged without smoothing, each with its caption below it.

    Args:
        images: uint8 (N, H, W, 3).
        captions: N texts in any language, or None for pictures alone; a None among them stays empty.
        columns: Pictures in a row at most.
        scale: Whole-number enlargement of every pixel.
        title: A heading over the whole sheet.
        max_lines: Captions longer than this many lines end in an ellipsis.
        keys: N short texts to stand for captions in a script that no font of this machine has; by default
            "picture 1" and so on.

    Returns:
        uint8 (height, width, 3).

    Raises:
        ValueError: The images have another shape or type, or there are not as many captions as images.
    """
    images = _checked(images)
    n_images, height, width = images.shape[:3]
    if captions is not None and len(captions) != n_images:
        raise ValueError(f"contact_sheet got {len(captions)} captions for {n_images} images.")
    columns = max(1, min(columns, n_images))
    image_width, image_height = width * scale, height * scale
    cell_width = max(image_width, MIN_CAPTION_WIDTH) if captions is not None else image_width
    sheet_width = 2 * MARGIN + columns * cell_width + (columns - 1) * GAP

    heading = lettering.wrap(title or "", sheet_width - 2 * MARGIN, TITLE_SIZE, max_lines=3, bold=True)
    top = MARGIN + _text_height(len(heading.lines), TITLE_SIZE) + (GAP if heading.lines else 0)
    texts = [
        lettering.wrap(caption or "", cell_width, CAPTION_SIZE, max_lines, otherwise=key)
        for caption, key in zip(captions or [""] * n_images, keys or _numbered(n_images), strict=True)
    ]

    row_tops: list[int] = []
    y = top
    for start in range(0, n_images, columns):
        row_tops.append(y)
        n_lines = max(len(text.lines) for text in texts[start : start + columns])
        y += image_height + (_text_height(n_lines, CAPTION_SIZE) + CAPTION_LEADING if n_lines else 0) + GAP
    sheet_height = (y - GAP if n_images else y + lettering.line_height(CAPTION_SIZE)) + MARGIN

    pixels = np.full((sheet_height, max(sheet_width, 2 * MARGIN + MIN_CAPTION_WIDTH), 3), PAPER, np.uint8)
    places = []
    for index in range(n_images):
        x = MARGIN + index % columns * (cell_width + GAP)
        y = row_tops[index // columns]
        places.append((x, y + image_height + CAPTION_LEADING))
        _paste(pixels, images[index], x, y, scale)

    canvas = Image.fromarray(pixels)
    draw = ImageDraw.Draw(canvas)
    _write(draw, heading, MARGIN, MARGIN, TITLE_SIZE)
    for text, (x, y) in zip(texts, places, strict=True):
        _write(draw, text, x, y, CAPTION_SIZE)
    if not n_images:
        _write(draw, lettering.wrap("no pictures", 200, CAPTION_SIZE), MARGIN, top, CAPTION_SIZE, FAINT)
    return np.asarray(canvas)


def rows_sheet(
    rows: Mapping[str, Pixels | Sequence[str]],
    captions: Sequence[str] | None = None,
    scale: int = 3,
    title: str | None = None,
    text_width: int = 200,
) -> Pixels:
    """Puts versions of the same pictures side by side: one row a picture, one headed column a version.

    Args:
        rows: Heading to uint8 (N, H, W, 3), or heading to N texts for a column of words, in the order of
            drawing, such as original, direct, caption, vae, gan.
        captions: N texts for a last column of words without a heading.
        scale: Whole-number enlargement of every pixel.
        title: A heading over the whole sheet.
        text_width: Width of a column of words in pixels.

    Returns:
        uint8 (height, width, 3).

    Raises:
        ValueError: The columns are empty or of unequal length.
    """
    columns: list[tuple[str, Pixels | list[str]]] = [
        (name, _checked(column) if isinstance(column, np.ndarray) else list(column))
        for name, column in rows.items()
    ]
    if captions is not None:
        columns.append(("", list(captions)))
    lengths = {len(column) for _, column in columns}
    if len(lengths) != 1:
        raise ValueError(f"rows_sheet needs columns of one length, got {[len(c) for _, c in columns]}.")
    n_rows = lengths.pop()

    widths = []
    headings = []
    for name, column in columns:
        content = column.shape[2] * scale if isinstance(column, np.ndarray) else text_width
        widths.append(max(content, 48))
        headings.append(lettering.wrap(name, widths[-1], HEADING_SIZE, max_lines=2, bold=True))
    sheet_width = 2 * MARGIN + sum(widths) + GAP * (len(widths) - 1)
    over = lettering.wrap(title or "", sheet_width - 2 * MARGIN, TITLE_SIZE, max_lines=3, bold=True)
    heading_top = MARGIN + (_text_height(len(over.lines), TITLE_SIZE) + GAP if over.lines else 0)
    n_heading_lines = max(len(heading.lines) for heading in headings)
    top = heading_top + (_text_height(n_heading_lines, HEADING_SIZE) + 6 if n_heading_lines else 0)

    image_height = max((c.shape[1] * scale for _, c in columns if isinstance(c, np.ndarray)), default=0)
    texts = [
        []
        if isinstance(column, np.ndarray)
        else [
            lettering.wrap(text or "", width, CAPTION_SIZE, otherwise=key)
            for text, key in zip(column, _numbered(n_rows), strict=True)
        ]
        for (_, column), width in zip(columns, widths, strict=True)
    ]
    row_heights = [
        max([image_height, *(_text_height(len(column[i].lines), CAPTION_SIZE) for column in texts if column)])
        for i in range(n_rows)
    ]
    pixels = np.full(
        (top + sum(row_heights) + GAP * max(0, n_rows - 1) + MARGIN, sheet_width, 3), PAPER, np.uint8
    )
    words: list[tuple[lettering.Lines, int, int]] = []
    x = MARGIN
    for (_, column), width, column_texts in zip(columns, widths, texts, strict=True):
        y = top
        for i in range(n_rows):
            if isinstance(column, np.ndarray):
                _paste(pixels, column[i], x, y, scale)
            else:
                words.append((column_texts[i], x, y))
            y += row_heights[i] + GAP
        x += width + GAP

    canvas = Image.fromarray(pixels)
    draw = ImageDraw.Draw(canvas)
    _write(draw, over, MARGIN, MARGIN, TITLE_SIZE)
    x = MARGIN
    for heading, width in zip(headings, widths, strict=True):
        _write(draw, heading, x, heading_top, HEADING_SIZE)
        x += width + GAP
    for text, x, y in words:
        _write(draw, text, x, y, CAPTION_SIZE)
    return np.asarray(canvas)


def attention_sheet(
    image: Pixels, words: Sequence[str], maps: NDArray[np.floating], scale: int = 4, columns: int = 10
) -> Pixels:
    """Shows where a captioner looked at each word: the picture, then a copy a word with attention in orange.

    Args:
        image: uint8 (H, W, 3).
        words: T words or tokens.
        maps: (T, h, w), non-negative; each is scaled by its own maximum and enlarged smoothly to the picture.
        scale: Whole-number enlargement of every pixel of the picture.
        columns: Pictures in a row at most.

    Returns:
        uint8 (height, width, 3), a contact sheet of T + 1 pictures.

    Raises:
        ValueError: There are not as many maps as words.
    """
    if len(words) != len(maps):
        raise ValueError(f"attention_sheet got {len(maps)} maps for {len(words)} words.")
    large = np.repeat(np.repeat(image, scale, axis=0), scale, axis=1)
    height, width = large.shape[:2]
    # A pale grey copy below keeps the picture recognisable while only the attention has a colour.
    grey = large.astype(np.float32) @ np.array([0.299, 0.587, 0.114], np.float32)
    pale = np.repeat((96 + 0.6 * grey)[..., None], 3, axis=2)
    orange = np.array([230, 74, 0], np.float32)
    frames = [large]
    for attention in np.asarray(maps, np.float32):
        peak = float(attention.max(initial=0.0))
        share = Image.fromarray(attention / peak if peak > 0 else np.zeros_like(attention))
        weight = (
            np.asarray(share.resize((width, height), Image.Resampling.BICUBIC)).clip(0, 1)[..., None] * 0.85
        )
        frames.append((pale * (1 - weight) + orange * weight).round().astype(np.uint8))
    # What cannot be drawn can still be looked up
    keys = ["", *(" ".join(f"U+{ord(letter):04X}" for letter in word) for word in words)]
    return contact_sheet(np.stack(frames), ["", *words], columns=columns, scale=1, max_lines=2, keys=keys)


def _checked(images: Pixels) -> Pixels:
    if images.ndim != 4 or images.shape[-1] != 3 or images.dtype != np.uint8:
        raise ValueError(f"A sheet is made of uint8 images (N, H, W, 3), got {images.dtype} {images.shape}.")
    return images


def _numbered(n: int) -> list[str]:
    return [f"picture {number}" for number in range(1, n + 1)]


def _paste(pixels: Pixels, image: Pixels, x: int, y: int, scale: int) -> None:
    """Draws `image` enlarged by whole pixels, so that a small picture stays as sharp as it is."""
    height, width = image.shape[0] * scale, image.shape[1] * scale
    pixels[y - 1 : y + height + 1, x - 1 : x + width + 1] = HAIRLINE
    pixels[y : y + height, x : x + width] = np.repeat(np.repeat(image, scale, axis=0), scale, axis=1)


def _text_height(n_lines: int, size: int) -> int:
    return n_lines * lettering.line_height(size)


def _write(
    draw: ImageDraw.ImageDraw,
    text: lettering.Lines,
    x: int,
    y: int,
    size: int,
    color: tuple[int, int, int] = INK,
) -> None:
    for line in text.lines:
        text.face.write(draw, x, y, line, color)
        y += lettering.line_height(size)
