"""What can be known about a prompt before it is drawn: too long, unknown words, half a description."""

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from lexipix.inference.onnx_models import OnnxGenerator
from lexipix.metrics.text import tokens
from lexipix.scenes import is_drawable, parse_caption, words
from lexipix.utils.errors import LexipixError

_EXAMPLE = '"a big red circle at the left on white"'
_MAX_SHOWN = 60  # characters of a prompt that a message repeats


@dataclass(frozen=True)
class CheckedPrompt:
    """A prompt that can be drawn.

    Attributes:
        text: Without blanks at its ends.
        warnings: What may go wrong, a sentence each.
    """

    text: str
    warnings: tuple[str, ...] = ()


def check_prompt(prompt: str, drawer: OnnxGenerator) -> CheckedPrompt:
    """Refuse what cannot be drawn, and foresee what will not be drawn well.

    Raises:
        LexipixError: The prompt is empty, longer than the model reads, or has no word it knows.
    """
    text = " ".join(prompt.split())
    if not text:
        raise LexipixError(f"The prompt is empty: say what to draw, such as {_EXAMPLE}.")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise LexipixError("The prompt is not valid UTF-8: type it anew.") from None
    n_tokens = drawer.n_tokens(text)
    if n_tokens > drawer.max_tokens:
        raise LexipixError(
            f"The prompt {shown(text)} is too long: it has {n_tokens - 1} tokens (words and parts of words), "
            f"the model reads at most {drawer.max_tokens - 1}; shorten it."
        )
    warnings = _unknown_words(text, drawer.known_words)
    if not warnings and drawer.known_words and drawer.known_words <= words():
        warnings = _unlike_scenes(text)
    return CheckedPrompt(text, tuple(warnings))


def check_prompts(prompts: Sequence[str], drawer: OnnxGenerator, place: str = "") -> list[CheckedPrompt]:
    """Check several; ``place`` says in front of a message where they come from, ``{}`` being the number."""
    checked = []
    for number, prompt in enumerate(prompts, 1):
        try:
            checked.append(check_prompt(prompt, drawer))
        except LexipixError as error:
            raise LexipixError(f"{place.format(number)}{error}") from None
    return checked


def shown(prompt: str) -> str:
    """A prompt in quotation marks, cut when it is long."""
    return f'"{prompt if len(prompt) <= _MAX_SHOWN else prompt[: _MAX_SHOWN - 1] + "…"}"'


def _unknown_words(text: str, known: frozenset[str]) -> list[str]:
    said = [word for word in tokens(text) if word.isalnum()]
    if not said:
        raise LexipixError(f"The prompt {shown(text)} has no words: say what to draw, such as {_EXAMPLE}.")
    unknown = [word for word in dict.fromkeys(said) if word not in known]
    if not known or not unknown:
        return []
    hints = []
    for word in unknown[:5]:
        near = get_close_matches(word, known, n=3, cutoff=0.6)
        hints.append(f'"{word}"' + (f" (near: {', '.join(near)})" if near else ""))
    if len(unknown) > 5:
        hints.append(f"{len(unknown) - 5} more")
    listed = ", ".join(hints)
    if not set(said) & known:
        raise LexipixError(
            f"The model never saw any word of {shown(text)} in training: {listed}. Use words of its "
            f"captions, such as {', '.join(_examples(known))}."
        )
    return [f"The model never saw {listed} in training and will make little of it."]


def _examples(known: frozenset[str]) -> list[str]:
    """Some words a person may start from: longer ones say more than "a" and "of"."""
    telling = sorted(word for word in known if len(word) > 3 and word.isalpha()) or sorted(known)
    return telling[:: max(1, len(telling) // 12)][:12]


def _unlike_scenes(text: str) -> list[str]:
    scene = parse_caption(text)
    if scene is None:
        return [
            f"{shown(text)} is not a complete description, and complete ones are all the model has seen: "
            f"size, color, shape and place of each object and one background, such as {_EXAMPLE}."
        ]
    if not is_drawable(scene):
        return [
            f"{shown(text)} is unlike every picture the model has seen: its objects would touch, or one "
            "hardly stands out from the background."
        ]
    return []
