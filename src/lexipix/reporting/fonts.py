"""Which font draws which letter: DejaVu Sans, and for what it lacks a font of the system that has it.

DejaVu Sans travels inside matplotlib's wheel and covers Latin, Greek, Cyrillic and more, so it is found by
its path without paying for an import of matplotlib (0.3 s). Only a letter it lacks, such as a Chinese one,
makes us look through the fonts of the system, afresh in each process: matplotlib's own list of fonts is kept
from its first use on, and would not know one that was installed since.
"""

from __future__ import annotations

import functools
import importlib.util
import re
import unicodedata
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import ImageFont

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL import ImageDraw

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont

# How the files of fonts begin that are asked first, without spaces and hyphens: they hold whole languages and
# draw them well. Any other font of the system comes after, in the order of paths.
PREFERRED_FILES = (
    "notosanscjk",
    "sourcehansans",
    "notosanssc",
    "notosansjp",
    "notosanskr",
    "wqy",
    "droidsansfallback",
    "pingfang",
    "hiragino",
    "msyh",
    "yugoth",
    "malgun",
    "arialunicode",
    "notosans",
    "freesans",
    "unifont",
)
_STYLED = re.compile(r"bold|italic|oblique|light|thin|black|heavy|medium|condensed|mono", re.IGNORECASE)
_UNASSIGNED = "\U000effff"  # no font has it: what is drawn for it is the font's box for an unknown letter


class Typeface:
    """Fonts of one size that draw a text together: the default, and others for the letters it lacks.

    Args:
        text: What is to be drawn; the face is good for its letters, whatever their order.
        size: In pixels.
        bold: Draw bold where the default font has the letter.
    """

    def __init__(self, text: str, size: int, bold: bool = False) -> None:
        self._default = load(default_path(bold), size)
        self._others: dict[str, Font] = {}
        for letter in set(text) if not text.isascii() else ():
            if not has(default_path(bold), letter) and (path := spare_path(letter)):
                self._others[letter] = load(path, size)

    def getlength(self, text: str) -> float:
        """Width of a line of text in pixels."""
        return sum(font.getlength(run) for font, run in self._runs(text))

    def write(self, draw: ImageDraw.ImageDraw, x: int, y: int, text: str, fill: tuple[int, int, int]) -> None:
        """Draw a line of text with its upper left corner at (x, y); all its fonts stand on one line."""
        if not self._others:
            draw.text((x, y), text, fill=fill, font=self._default)
            return
        assert isinstance(
            self._default, ImageFont.FreeTypeFont
        )  # Pillow's own, without a path, has no others
        baseline, at = y + self._default.getmetrics()[0], float(x)
        for font, run in self._runs(text):
            draw.text((at, baseline), run, fill=fill, font=font, anchor="ls")
            at += font.getlength(run)

    def _runs(self, text: str) -> list[tuple[Font, str]]:
        """The text in pieces of one font each; spaces and joiners stay with the letters before them."""
        if not self._others:
            return [(self._default, text)]
        fonts: list[Font] = []
        for letter in text:
            follows = fonts and _draws_nothing(letter)
            fonts.append(fonts[-1] if follows else self._others.get(letter, self._default))
        runs = groupby(zip(fonts, text, strict=True), key=lambda pair: id(pair[0]))
        return [
            (pairs[0][0], "".join(letter for _, letter in pairs)) for _, run in runs for pairs in [list(run)]
        ]


def drawable(letter: str) -> bool:
    """Whether some font of this machine has the letter."""
    return letter <= "~" or has(default_path(), letter) or spare_path(letter) is not None


@functools.cache
def default_path(bold: bool = False) -> str | None:
    """DejaVu Sans inside matplotlib; None, which is Pillow's own font, where that is not installed."""
    found = importlib.util.find_spec("matplotlib")
    if found is None or found.origin is None:
        return None
    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    path = Path(found.origin).parent / "mpl-data" / "fonts" / "ttf" / name
    return str(path) if path.is_file() else None


@functools.lru_cache(maxsize=64)
def load(path: str | None, size: int) -> Font:
    """A font by its file; Pillow's own where there is none."""
    if path is not None:
        try:
            return ImageFont.truetype(path, size)
        except OSError:
            pass
    return ImageFont.load_default(size)


@functools.lru_cache(maxsize=4096)
def has(path: str | None, letter: str) -> bool:
    """Whether a font draws the letter as itself and not as its box for an unknown one."""
    if letter <= "~" or _draws_nothing(letter):
        return True
    font = load(path, 16)
    if isinstance(font, ImageFont.FreeTypeFont):
        # Shaping would set a lone accent on a circle, which is no box but no letter either
        font = font.font_variant(layout_engine=ImageFont.Layout.BASIC)
    return bytes(font.getmask(letter)) != bytes(font.getmask(_UNASSIGNED))


@functools.lru_cache(maxsize=4096)
def spare_path(letter: str) -> str | None:
    """The first font of the system that has a letter which the default lacks, or None."""
    for path in system_fonts():
        points = _code_points(path)
        place = int(np.searchsorted(points, ord(letter)))
        if place < len(points) and points[place] == ord(letter):
            return path
    return None


@functools.cache
def system_fonts() -> tuple[str, ...]:
    """Files of the fonts that this machine has, the preferred ones first; empty where that cannot be told."""
    try:
        from matplotlib import font_manager

        return ranked(font_manager.findSystemFonts())
    except Exception:  # a broken installation must cost the text its looks, never the user the picture
        return ()


def ranked(paths: list[str]) -> tuple[str, ...]:
    """Font files in the order of asking: the preferred ones, then upright and regular ones, then by path."""

    def rank(path: str) -> tuple[int, bool, str]:
        name = Path(path).name.lower().replace(" ", "").replace("-", "").replace("_", "")
        place = next((i for i, start in enumerate(PREFERRED_FILES) if name.startswith(start)), 99)
        return place, bool(_STYLED.search(name)), path

    # macOS has a font of nothing but boxes, one for each block of letters
    return tuple(sorted((path for path in set(paths) if "LastResort" not in path), key=rank))


@functools.cache
def _code_points(path: str) -> NDArray[np.uint32]:
    """What a font file has, ascending; nothing for a file that cannot be read or drawn at a small size."""
    from matplotlib.ft2font import FT2Font

    try:
        ImageFont.truetype(path, 16)  # pictures in colours come in one large size
        return np.array(sorted(FT2Font(path).get_charmap()), np.uint32)
    except Exception:
        return np.array([], np.uint32)


def _draws_nothing(letter: str) -> bool:
    """Spaces, joiners and marks that choose among shapes: no font need have them."""
    return letter.isspace() or unicodedata.category(letter) == "Cf" or "\ufe00" <= letter <= "\ufe0f"
