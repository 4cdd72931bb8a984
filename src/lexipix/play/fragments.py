"""Pieces of HTML that the tabs share. Every text from outside is escaped."""

import base64
import re
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any
from urllib.parse import urlencode

import numpy as np
from numpy.typing import NDArray

from lexipix.inference.prompt_checks import UnknownWord
from lexipix.metrics.text import WORD
from lexipix.utils.png import encode_png

ENLARGED = 512  # pixels of an enlarged picture's side, about


def data_uri(image: NDArray[np.uint8]) -> str:
    """A picture, uint8 (H, W, 3 or 4), as the address of a PNG file inside the page."""
    return f"data:image/png;base64,{base64.b64encode(encode_png(image)).decode()}"


def picture(image: NDArray[np.uint8], description: str, below: str = "") -> str:
    """A figure with a picture, what a screen reader says of it, and HTML below it."""
    caption = f"<figcaption>{below}</figcaption>" if below else ""
    return f'<figure><img src="{data_uri(image)}" alt="{escape(description)}">{caption}</figure>'


def grid(figures: Sequence[str], columns: int) -> str:
    """Figures in rows of so many."""
    return f'<div class="pictures" style="--columns: {columns}">{"".join(figures)}</div>'


def many(figures: Sequence[str]) -> str:
    """Small figures, as many in a row as there is room for."""
    return f'<div class="pictures wide">{"".join(figures)}</div>'


def download(address: str, query: Mapping[str, Any], text: str, name: str) -> str:
    """A link that saves a file."""
    return f'<a href="{escape(f"{address}?{urlencode(query)}")}" download="{escape(name)}">{escape(text)}</a>'


def sentence(text: str) -> str:
    """A caption in large letters."""
    return f'<p class="caption">{escape(text)}</p>'


def note(text: str) -> str:
    """A sentence about what is shown; screen readers say it when it changes."""
    return f'<p class="note" role="status">{escape(text)}</p>'


def warning(text: str) -> str:
    """A sentence about what will probably not be drawn well."""
    return f'<p class="warning">{escape(text)}</p>'


def problem(text: str) -> str:
    """A sentence about a wrong input."""
    return f'<p class="problem" role="alert">{escape(text)}</p>'


def marked(prompt: str, unknown: Sequence[UnknownWord]) -> str:
    """A prompt whose unknown words are marked, each followed by buttons for the nearest known ones."""
    if not unknown:
        return '<p class="words"></p>'
    nearest = {one.word: one.nearest for one in unknown}

    def mark(word: str) -> str:
        if word.lower() not in nearest:
            return escape(word)
        buttons = (
            f'<button type="button" class="chip" data-word="{escape(word)}" data-known="{escape(known)}">'
            f"{escape(known)}</button>"
            for known in nearest[word.lower()]
        )
        return f'<mark title="in no caption of the training">{escape(word)}</mark>{"".join(buttons)}'

    parts = re.split(f"({WORD})", prompt)
    words = "".join(mark(part) if number % 2 else escape(part) for number, part in enumerate(parts))
    return f'<p class="words"><span class="label">Words the model never saw:</span> {words}</p>'


def suggestions(captions: Sequence[str]) -> str:
    """Buttons that put a caption into the prompt."""
    buttons = (
        f'<button type="button" class="chip" data-prompt="{escape(caption)}">{escape(caption)}</button>'
        for caption in captions
    )
    return f'<div class="suggestions" role="group" aria-label="Captions to try">{"".join(buttons)}</div>'
