"""Text drawn into pictures: broken into lines, in whatever language it comes, and never as empty boxes."""

from __future__ import annotations

import functools
import logging
import unicodedata
from collections.abc import Iterable
from typing import NamedTuple

from lexipix.reporting import fonts

_log = logging.getLogger(__name__)

ELLIPSIS = "…"
# Drawn for a text of which no letter can be, where nothing better is known.
NO_FONT = "(no font for this text)"
# What the names of letters begin with that CJK fonts hold.
_CJK = ("CJK", "HIRAGANA", "KATAKANA", "HANGUL", "BOPOMOFO", "IDEOGRAPHIC", "FULLWIDTH", "HALFWIDTH")


class Lines(NamedTuple):
    """Text broken to fit a width: its lines and the face to draw them with."""

    lines: list[str]
    face: fonts.Typeface


def clean(text: str) -> str:
    """One line of drawable characters: white space becomes one space, control characters go."""
    text = text.encode("utf-8", "replace").decode("utf-8")
    kept = "".join(" " if c.isspace() else c for c in text if c.isspace() or unicodedata.category(c) != "Cc")
    return " ".join(kept.split())


def legible(texts: Iterable[str | None], otherwise: str = NO_FONT) -> str:
    """Chooses what can be read of several texts that say the same.

    Args:
        texts: Wordings in order of preference.
        otherwise: What to call the thing where no font has a letter of them, such as a file's name.

    Returns:
        The first text of which this machine's fonts have every letter; without such a text the first in which
        some word is left, an ellipsis in place of what no font has; else `otherwise`, and at last `NO_FONT`.
    """
    wordings = [text for text in map(clean, filter(None, texts)) if text]
    if not wordings:
        return ""
    written = [_written(text) for text in wordings]
    whole = (text for text, own in zip(wordings, written, strict=True) if text == own)
    in_part = (text for text in written if any(map(str.isalnum, text)))
    return (
        next(whole, None)
        or next(in_part, None)
        or (otherwise if _written(otherwise) == otherwise else NO_FONT)
    )


def wrap(
    text: str, width: int, size: int, max_lines: int = 8, bold: bool = False, otherwise: str = NO_FONT
) -> Lines:
    """Breaks `text` into at most `max_lines` lines of at most `width` pixels.

    Breaks at spaces; inside a word only where the word alone is wider than a line, which is also how text
    without spaces (Chinese, Japanese, Thai) is broken. What does not fit ends in an ellipsis, which also
    stands for letters that no font has; a text of such letters alone gives way to `otherwise`.
    """
    text = legible([text], otherwise)
    face = fonts.Typeface(text + ELLIPSIS, size, bold)
    lines: list[str] = []
    line = ""
    for word in text.split(" ") if text else []:
        joined = f"{line} {word}" if line else word
        if face.getlength(joined) <= width:
            line = joined
            continue
        if line:
            lines.append(line)
        while face.getlength(word) > width and len(word) > 1:
            n_characters = _fitting(word, width, face)
            lines.append(word[:n_characters])
            word = word[n_characters:]
        line = word
    if line:
        lines.append(line)
    if len(lines) > max_lines:
        last = lines[max_lines - 1]
        while last and face.getlength(last + ELLIPSIS) > width:
            last = last[:-1]
        lines = [*lines[: max_lines - 1], last.rstrip() + ELLIPSIS]
    return Lines(lines, face)


def line_height(size: int) -> int:
    """Pixels from one baseline to the next, generous enough for other scripts' marks above and below."""
    return round(size * 1.3)


def _fitting(word: str, width: int, face: fonts.Typeface) -> int:
    """How many leading characters of `word` fit into `width`; at least one, so that breaking goes on."""
    low, high = 1, len(word)
    while low < high:
        middle = (low + high + 1) // 2
        if face.getlength(word[:middle]) <= width:
            low = middle
        else:
            high = middle - 1
    return low


def _written(text: str) -> str:
    """The text as the fonts can write it: an ellipsis in place of letters in a row that none has."""
    if text.isascii():
        return text
    kept: list[str] = []
    for letter in text:
        if fonts.drawable(letter):
            kept.append(letter)
            continue
        _advise(_package(letter))
        if not kept or kept[-1] != ELLIPSIS:
            kept.append(ELLIPSIS)
    return "".join(kept)


def _package(letter: str) -> str:
    """The font package of Debian and Ubuntu that has a letter."""
    if unicodedata.name(letter, "").startswith(_CJK):
        return "fonts-noto-cjk"
    return "fonts-symbola" if unicodedata.category(letter).startswith("S") else "fonts-noto-core"


@functools.cache
def _advise(package: str) -> None:
    """Say once in a process how to get the letters that are missing."""
    _log.warning(
        "Sheets leave out letters that no font of this machine has: install one, from the package %s of "
        "Debian and Ubuntu or from https://fonts.google.com/noto",
        package,
    )
