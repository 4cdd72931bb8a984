"""Checks of a ``tokenizer.json`` that somebody else made: a short text must not become gigabytes."""

import json
from typing import Any

MAX_GROWTH = 1024  # of a text in all steps; those of known tokenizers have at most 8
_STEPS = ("normalizer", "pre_tokenizer", "decoder")


def require_small_steps(text: str) -> None:
    """Check how much a tokenizer can lengthen a text; a ValueError says what is wrong with it.

    It must pad as ours do, to the longest text, and append at most one token.
    """
    tokenizer = json.loads(text)
    padding = tokenizer.get("padding") or {}
    if padding.get("strategy", "BatchLongest") != "BatchLongest" or padding.get("pad_to_multiple_of"):
        raise ValueError("it pads to a fixed length")
    end = tokenizer.get("post_processor") or {}
    ids = [one for token in (end.get("special_tokens") or {}).values() for one in token["ids"]]
    if end.get("type") != "TemplateProcessing" or len(end["single"]) > 2 or len(ids) > 1:
        raise ValueError("it does more with a text than to append one token")
    growth, waiting = 1, [tokenizer.get(step) for step in _STEPS]
    while waiting:
        part = waiting.pop()
        if isinstance(part, dict):
            growth *= _growth(part)
            if growth > MAX_GROWTH:
                raise ValueError(f"it makes a text more than {MAX_GROWTH:,} times as long")
        if isinstance(part, dict | list):
            waiting.extend(part.values() if isinstance(part, dict) else part)


def _growth(step: dict[str, Any]) -> int:
    """How many times as long a step can make a text; a pattern may match before every character."""
    if step.get("type") == "Replace":
        return 1 + len(step["content"])
    return 2 if step.get("type") == "ByteLevel" else 1
