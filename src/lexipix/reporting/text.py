"""Text drawn into images, in any language, with matplotlib's FreeType fonts and their per-glyph fallback.

64 captions take 0.3 s; with matplotlib's renderer, which draws each glyph by a call from Python, 0.9 s.
"""

from __future__ import annotations

import functools
import logging
import re
import unicodedata
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib import font_manager
from matplotlib.ft2font import FT2Font
from numpy.typing import NDArray

_log = logging.getLogger(__name__)

Pixels = NDArray[np.uint8]
ELLIPSIS = "…"
NO_FONT = "(no font for this text)"
# LastResort draws a box for every character
_NOT_REGULAR = re.compile(
    "bold|italic|oblique|light|thin|black|heavy|medium|condensed|mono|lastresort", re.IGNORECASE
)


@dataclass(frozen=True)
class TextBlock:
    """Lines of text, their size in pixels, and font files; a character is drawn by the first that has it."""

    lines: list[str]
    fonts: tuple[str, ...]
    size: int

    @property
    def line_height(self) -> int:
        """Pixels from one baseline to the next, with room for marks above and below the letters."""
        return round(self.size * 1.3)

    @property
    def height(self) -> int:
        """Height of all lines in pixels."""
        return len(self.lines) * self.line_height

    def draw(self, pixels: Pixels, x: int, y: int, color: tuple[int, int, int]) -> None:
        """Draws the lines into ``pixels``, uint8 (H, W, 3), with their upper left corner at (x, y)."""
        for number, line in enumerate(self.lines):
            font = _layout(line, self.fonts, self.size)
            font.draw_glyphs_to_bitmap(antialiased=True)
            # The bitmap has a border of one pixel; FreeType measures in 1/64 pixel
            ascent = (font.get_width_height()[1] - font.get_descent()) // 64 + 1
            top = y + number * self.line_height + self.size - ascent
            left = x + font.get_bitmap_offset()[0] // 64
            mask = font.get_image()[max(0, -top) :, max(0, -left) :]
            region = pixels[max(0, top) :, max(0, left) :][: mask.shape[0], : mask.shape[1]]
            opacity = mask[: region.shape[0], : region.shape[1], None] / 255
            region[:] = (region * (1 - opacity) + np.array(color) * opacity).round()


def wrap(
    text: str, width: int, size: int, max_lines: int = 8, bold: bool = False, fallback: str = NO_FONT
) -> TextBlock:
    """Breaks text into lines of at most ``width`` pixels, in a font of ``size`` pixels.

    Lines break at spaces. A word that is wider than a line, which includes text without spaces (Chinese,
    Japanese, Thai), breaks anywhere. Text of more than ``max_lines`` ends in an ellipsis. Bold applies to the
    characters of DejaVu Sans. ``fallback`` replaces a text of which no font has a single letter.
    """
    text = first_drawable([text], fallback)
    # DejaVu Sans is first; its regular form has characters that its bold form does not have
    others = sorted(filter(None, {*map(_font_for, text + ELLIPSIS)}))
    fonts = tuple(dict.fromkeys([_default_font(bold), _default_font(), *others]))
    lines: list[str] = []
    space, used = _width(" ", fonts, size), float("inf")  # width of the last line
    for word in text.split():
        needed = _width(word, fonts, size)
        if used + space + needed <= width:
            lines[-1], used = f"{lines[-1]} {word}", used + space + needed
            continue
        lines.append("")
        for part in [word] if needed <= width else word:
            if lines[-1] and _width(lines[-1] + part, fonts, size) > width:
                lines.append("")
            lines[-1] += part
        used = _width(lines[-1], fonts, size)
    if len(lines) > max_lines:
        last = lines[max_lines - 1]
        while last and _width(last + ELLIPSIS, fonts, size) > width:
            last = last[:-1]
        lines[max_lines - 1 :] = [last.rstrip() + ELLIPSIS]
    return TextBlock(lines, fonts, size)


def first_drawable(texts: Iterable[str | None], fallback: str = NO_FONT) -> str:
    """Returns the first of several equivalent texts, of which empty ones are skipped, that can be drawn.

    Returns:
        The first text with a font for each character; else the first with a font for some letters, with an
        ellipsis in place of the others; else ``fallback``.
    """
    lines = [line for text in texts if (line := " ".join((text or "").split()))]
    drawn = [_without_missing(line) for line in lines]
    complete = [text for text, line in zip(drawn, lines, strict=True) if text == line]
    partial = [text for text in drawn if any(map(str.isalnum, text))]
    if not lines or complete or partial:
        return [*complete, *partial, ""][0]
    return fallback if _without_missing(fallback) == fallback else NO_FONT


def _without_missing(text: str) -> str:
    """Replaces each run of characters that no font has, control characters among them, by an ellipsis."""
    # Some characters only join others or select a variant of the one before
    invisible = "".join(c for c in set(text) if unicodedata.category(c) == "Cf" or "\ufe00" <= c <= "\ufe0f")
    missing = re.escape("".join(c for c in sorted(set(text) - set(invisible)) if _font_for(c) is None))
    if not missing:
        return text
    _suggest_fonts()
    return re.sub(f"[{missing}][{missing}{invisible}]*", ELLIPSIS, text)


@functools.cache
def _suggest_fonts() -> None:
    """Logs, once in a process, how to install the missing fonts."""
    _log.warning(
        "No font of this machine has some of the characters in the captions; contact sheets show %s instead. "
        "Install fonts that have them: on Debian and Ubuntu `apt-get install fonts-noto-core fonts-noto-cjk "
        "fonts-symbola`, elsewhere from https://fonts.google.com/noto.",
        ELLIPSIS,
    )


def _default_font(bold: bool = False) -> str:
    """Path of DejaVu Sans, which matplotlib brings along."""
    return str(Path(matplotlib.get_data_path(), "fonts", "ttf", f"DejaVuSans{'-Bold' * bold}.ttf"))


@functools.lru_cache(maxsize=4096)
def _font_for(character: str) -> str | None:
    """Path of the font that draws a character: DejaVu Sans, else one of the system's."""
    if not character.isprintable():
        return None
    if font_manager.get_font(_default_font()).get_char_index(ord(character)):
        return _default_font()
    return _system_fonts().get(ord(character))


@functools.cache
def _system_fonts() -> dict[int, str]:
    """Returns the font for each character that this machine has: Noto Sans, else the one with most glyphs."""
    found: list[tuple[bool, int, str, list[int]]] = []
    for path in sorted(set(font_manager.findSystemFonts())):
        name = Path(path).name
        if _NOT_REGULAR.search(name):
            continue
        with suppress(OSError, RuntimeError):  # FreeType cannot read the file
            font = FT2Font(path)
            if font.scalable:  # color emoji are bitmaps of one large size
                found.append((name.startswith("NotoSans"), font.num_glyphs, path, list(font.get_charmap())))
    return {character: path for *_, path, characters in sorted(found) for character in characters}


@functools.lru_cache(maxsize=8192)
def _width(text: str, fonts: tuple[str, ...], size: int) -> float:
    return float(_layout(text, fonts, size).get_width_height()[0] / 64)


def _layout(text: str, fonts: tuple[str, ...], size: int) -> Any:
    """The fonts as one, with the text placed: glyphs shaped, right-to-left runs in order."""
    font = font_manager.get_font(fonts)
    font.set_size(size, 72)  # at 72 dots per inch a point is a pixel
    font.set_text(text)
    return font
