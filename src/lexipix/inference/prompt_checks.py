"""Checks of a prompt before it is drawn: length, unknown words, incomplete descriptions."""

import re
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from functools import lru_cache
from typing import NamedTuple

from lexipix.data.tokenization import n_tokens
from lexipix.inference.onnx_generator import OnnxGenerator
from lexipix.metrics.text import tokens
from lexipix.scenes import is_drawable, parse_caption, words
from lexipix.utils.errors import LexipixError

_EXAMPLE = '"a big red circle at the left on white"'
_MAX_SHOWN = 60  # characters of a prompt that a message repeats


class CheckedPrompt(NamedTuple):
    """A prompt that can be drawn."""

    text: str  # with single spaces between words and none at its ends
    warning: str  # what will probably not be drawn well, or an empty text


class UnknownWord(NamedTuple):
    """A word that no caption of the training has."""

    word: str  # in lower case
    nearest: tuple[str, ...]  # words of captions, the nearest one first: by meaning, then by spelling


def check_prompts(
    prompts: Sequence[str], generator: OnnxGenerator, places: Sequence[str] = ()
) -> list[CheckedPrompt]:
    """Check several prompts; an error starts with the prompt's place, or with its number among several."""
    if not places:
        places = [f"Prompt {number}: " if len(prompts) > 1 else "" for number in range(1, len(prompts) + 1)]
    checked = []
    for prompt, place in zip(prompts, places, strict=True):
        try:
            checked.append(check_prompt(prompt, generator))
        except LexipixError as error:
            raise LexipixError(f"{place}{error}") from None
    return checked


def check_prompt(prompt: str, generator: OnnxGenerator) -> CheckedPrompt:
    """Check that a prompt can be drawn, and warn of what will not be drawn well.

    Raises:
        LexipixError: The prompt is empty, longer than the model reads, or has no word that the model knows.
    """
    text = " ".join(prompt.split())
    if not text:
        raise LexipixError(f"The prompt is empty: name what to draw, such as {_EXAMPLE}.")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise LexipixError("The prompt is not valid UTF-8: type it again.") from None
    length = int(n_tokens(generator.tokenizer, [text])[0])
    if length > generator.max_tokens:
        raise LexipixError(
            f"The prompt {shown(text)} is too long: it has {length - 1} tokens (words and parts of words), "
            f"the model reads at most {generator.max_tokens - 1}; shorten it."
        )
    known = generator.known_words
    text, replaced = _with_known_words(text, known, generator.nearest_words)
    warning = " ".join(filter(None, [replaced, _unknown_words(text, known)]))
    if not warning and known and known <= words():
        warning = _unlike_scenes(text)
    return CheckedPrompt(text, warning)


def unknown_words(prompt: str, generator: OnnxGenerator) -> list[UnknownWord]:
    """The different words of a prompt that the model never saw, in their order; none if it knows no words."""
    known = generator.known_words
    unknown = dict.fromkeys(word for word in _words(prompt) if word not in known) if known else {}
    found = []
    for word in unknown:
        by_meaning = generator.nearest_words.get(word)
        nearest = ((by_meaning,) if by_meaning else ()) + _similar(word, known)
        found.append(UnknownWord(word, tuple(dict.fromkeys(nearest))))
    return found


def shown(prompt: str) -> str:
    """A prompt in quotation marks, shortened if it is long."""
    return f'"{prompt if len(prompt) <= _MAX_SHOWN else prompt[: _MAX_SHOWN - 1] + "…"}"'


def _with_known_words(text: str, known: frozenset[str], nearest: Mapping[str, str]) -> tuple[str, str]:
    """A prompt with known words in place of others that mean about the same, and a note that says so."""
    notes: dict[str, str] = {}

    def replace(found: re.Match[str]) -> str:
        word = found.group().lower()
        if word in known or word not in nearest:
            return found.group()
        notes[word] = f'"{word}" as "{nearest[word]}"'
        return nearest[word]

    text = re.sub(r"\w+", replace, text)
    if not notes:
        return text, ""
    return text, f"The model never saw some words in training and draws {', '.join(notes.values())}."


def _unknown_words(text: str, known: frozenset[str]) -> str:
    used = _words(text)
    if not used:
        raise LexipixError(f"The prompt {shown(text)} has no words: name what to draw, such as {_EXAMPLE}.")
    unknown = [word for word in dict.fromkeys(used) if word not in known]
    if not known or not unknown:
        return ""
    hints = []
    for word in unknown[:5]:
        similar = _similar(word, known)
        hints.append(f'"{word}"' + (f" (similar: {', '.join(similar)})" if similar else ""))
    if len(unknown) > 5:
        hints.append(f"{len(unknown) - 5} more")
    listed = ", ".join(hints)
    if not set(used) & known:
        raise LexipixError(
            f"The model never saw any word of {shown(text)} in training: {listed}. Use words of its "
            f"captions, such as {', '.join(_examples(known))}."
        )
    return f"The model never saw {listed} in training and will probably ignore it."


def _words(text: str) -> list[str]:
    return [word for word in tokens(text) if word.isalnum()]


@lru_cache(maxsize=1024)  # a prompt that is being typed is checked again with each key
def _similar(word: str, known: frozenset[str]) -> tuple[str, ...]:
    """Known words that are spelled nearly the same, at most three."""
    return tuple(get_close_matches(word, known, n=3, cutoff=0.6))


def _examples(known: frozenset[str]) -> list[str]:
    """Some known words to start from; long words tell more than "a" and "of"."""
    long = sorted(word for word in known if len(word) > 3 and word.isalpha()) or sorted(known)
    return long[:: max(1, len(long) // 12)][:12]


def _unlike_scenes(text: str) -> str:
    scene = parse_caption(text)
    if scene is None:
        return (
            f"{shown(text)} is not a complete description, and the model was trained on complete ones only: "
            f"size, color, shape and place of each object and one background, such as {_EXAMPLE}."
        )
    if not is_drawable(scene):
        return (
            f"{shown(text)} is unlike every image that the model was trained on: its objects would touch, or "
            "one has nearly the color of the background."
        )
    return ""
