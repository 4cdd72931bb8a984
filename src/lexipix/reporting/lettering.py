"""Fonts and line breaking for text drawn into pictures, in whatever language it comes.

DejaVu Sans travels inside matplotlib's wheel and covers Latin, Greek, Cyrillic and more, so it is found by
its path without paying for an import of matplotlib (0.3 s). Only a character it lacks, such as a Chinese one,
makes us ask matplotlib's font manager for a font of the system that has it; where there is none the text is
still drawn, with the font's box for an unknown character.
"""

from __future__ import annotations

import functools
import importlib.util
import unicodedata
from pathlib import Path
from typing import NamedTuple

from PIL import ImageFont

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont

ELLIPSIS = "…"
# Asked first, because they hold whole languages and draw them well; any other font of the system comes after.
PREFERRED_FAMILIES = (
    "Noto Sans CJK",
    "Source Han Sans",
    "Noto Sans JP",
    "Noto Sans SC",
    "Noto Sans KR",
    "WenQuanYi",
    "Droid Sans Fallback",
    "PingFang",
    "Hiragino Sans",
    "Microsoft YaHei",
    "Yu Gothic",
    "Malgun Gothic",
    "Arial Unicode MS",
    "Noto Sans",
    "FreeSans",
    "Unifont",
)
_UNASSIGNED = "\U000effff"  # no font has it: what is drawn for it is the font's box for an unknown character


class Lines(NamedTuple):
    """Text broken to fit a width: its lines and the font to draw them with."""

    lines: list[str]
    font: Font


def clean(text: str) -> str:
    """One line of drawable characters: white space becomes one space, control characters go."""
    text = text.encode("utf-8", "replace").decode("utf-8")
    kept = "".join(" " if c.isspace() else c for c in text if c.isspace() or unicodedata.category(c) != "Cc")
    return " ".join(kept.split())


def font_for(text: str, size: int, bold: bool = False) -> Font:
    """The font for `text` at `size` pixels: the default, or one of the system with what the default lacks."""
    font = _load(_default_path(bold), size)
    for character in text:
        if character > "~" and not _has(_default_path(bold), character):
            path = _fallback_path(ord(character) >> 8, character)
            return _load(path, size) if path else font
    return font


def wrap(text: str, width: int, size: int, max_lines: int = 8, bold: bool = False) -> Lines:
    """Breaks `text` into at most `max_lines` lines of at most `width` pixels.

    Breaks at spaces; inside a word only where the word alone is wider than a line, which is also how text
    without spaces (Chinese, Japanese, Thai) is broken. What does not fit ends in an ellipsis.
    """
    text = clean(text)
    font = font_for(text, size, bold)
    lines: list[str] = []
    line = ""
    for word in text.split(" ") if text else []:
        joined = f"{line} {word}" if line else word
        if font.getlength(joined) <= width:
            line = joined
            continue
        if line:
            lines.append(line)
        while font.getlength(word) > width and len(word) > 1:
            n_characters = _fitting(word, width, font)
            lines.append(word[:n_characters])
            word = word[n_characters:]
        line = word
    if line:
        lines.append(line)
    if len(lines) > max_lines:
        last = lines[max_lines - 1]
        while last and font.getlength(last + ELLIPSIS) > width:
            last = last[:-1]
        lines = [*lines[: max_lines - 1], last.rstrip() + ELLIPSIS]
    return Lines(lines, font)


def line_height(size: int) -> int:
    """Pixels from one baseline to the next, generous enough for other scripts' marks above and below."""
    return round(size * 1.3)


def _fitting(word: str, width: int, font: Font) -> int:
    """How many leading characters of `word` fit into `width`; at least one, so that breaking goes on."""
    low, high = 1, len(word)
    while low < high:
        middle = (low + high + 1) // 2
        if font.getlength(word[:middle]) <= width:
            low = middle
        else:
            high = middle - 1
    return low


@functools.cache
def _default_path(bold: bool) -> str | None:
    found = importlib.util.find_spec("matplotlib")
    if found is None or found.origin is None:
        return None
    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    path = Path(found.origin).parent / "mpl-data" / "fonts" / "ttf" / name
    return str(path) if path.is_file() else None


@functools.lru_cache(maxsize=64)
def _load(path: str | None, size: int) -> Font:
    if path is not None:
        try:
            return ImageFont.truetype(path, size)
        except OSError:
            pass
    return ImageFont.load_default(size)


@functools.lru_cache(maxsize=4096)
def _has(path: str | None, character: str) -> bool:
    """Whether the font draws `character` as itself and not as its box for an unknown one."""
    if character.isspace() or unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return True
    font = _load(path, 16)
    return bytes(font.getmask(character)) != bytes(font.getmask(_UNASSIGNED))


@functools.lru_cache(maxsize=256)
def _fallback_path(block: int, character: str) -> str | None:
    """A font file of the system that has `character`, or None; asked once for each character and block."""
    try:
        from matplotlib import font_manager

        entries = font_manager.fontManager.ttflist
    except Exception:  # a broken font cache must cost the text its looks, never the user the picture
        return None

    def rank(entry: font_manager.FontEntry) -> tuple[int, bool, str]:
        family = next((i for i, name in enumerate(PREFERRED_FAMILIES) if name in entry.name), 99)
        return family, str(entry.weight) not in ("400", "normal"), entry.fname

    for entry in sorted(entries, key=rank):
        if "LastResort" in entry.fname:
            continue
        try:
            if _has(entry.fname, character):
                return str(entry.fname)
        except Exception:  # an unreadable font file: try the next
            continue
    return None
