"""Turns pydantic's errors into one sentence each, with the parameter's full key and how to fix it."""

import re
from collections.abc import Callable, Iterator, Mapping
from difflib import get_close_matches
from typing import Any

from pydantic import BaseModel, ValidationError

from lexipix.config.renamed import REMOVED, new_name

MAX_SHOWN, MAX_MESSAGE = 200, 600  # characters of a value, and of what is wrong with it
MAX_ERRORS = 50  # a list can hold thousands
Where = Callable[[str], str]


def explain(error: ValidationError, model: type[BaseModel], where: Where) -> list[str]:
    """A sentence for each error, in pydantic's order, and for more than some of them their number.

    ``where`` gives the place where the user sets a key.
    """
    known = list(keys(model))
    found = error.errors(include_url=False)
    # If all values of a list are wrong, pydantic also reports that the list is empty
    wrong_inside = {details["loc"][:-1] for details in found}
    told = [
        details for details in found if details["type"] != "too_short" or details["loc"] not in wrong_inside
    ]
    sentences = [f"parameters: {_sentence(details, known, where)}." for details in told[:MAX_ERRORS]]
    if len(told) > MAX_ERRORS:
        sentences.append(f"parameters: {len(told) - MAX_ERRORS:,} more errors.")
    return sentences


def keys(model: type[BaseModel], prefix: str = "") -> Iterator[str]:
    """The full keys of a model and of the models inside it, groups included."""
    for name, field in model.model_fields.items():
        yield f"{prefix}{name}"
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from keys(field.annotation, f"{prefix}{name}.")


def _sentence(details: Any, known: list[str], where: Where) -> str:
    loc, kind, value = details["loc"], details["type"], details["input"]
    key = _shortened(".".join(map(str, loc)), MAX_SHOWN)
    if kind == "extra_forbidden":
        return f"{_unknown(key, known)} ({where(key)})"
    if kind == "missing" and isinstance(loc[-1], int):
        key = key.rpartition(".")[0]
        return (
            f"{key} = {list(value)} has too few values, number {loc[-1] + 1} is missing ({_fix(key, where)})"
        )
    if kind == "missing":
        return f"{key} is missing: add it ({_fix(key, where)})"
    if not key:  # two sections contradict each other; the validator's sentence names both
        return str(details["msg"].partition(", ")[2])
    found = "" if isinstance(value, Mapping | list | tuple) else f" = {_shown(value)}"
    return f"{key}{found} {_complaint(kind, details['msg'])} ({_fix(key, where)})"


def _shown(value: Any) -> str:
    """A value as it is written, shortened if it is long."""
    try:
        return _shortened(repr(value), MAX_SHOWN)
    except ValueError:  # Python writes no integer of more than 4,300 digits
        return "a number"


def _shortened(text: str, length: int) -> str:
    return text if len(text) <= length else f"{text[:length]}…"


def _unknown(key: str, known: list[str]) -> str:
    """The new name of a key that was renamed, the known key that was probably meant, else those beside it."""
    if key in REMOVED:
        return f"{key} was removed ({REMOVED[key]}): delete it"
    if new := new_name(key, known):
        return f"{key} has a new name: {new}"
    parent, _, leaf = key.rpartition(".")
    siblings = {name.rpartition(".")[2]: name for name in known if name.rpartition(".")[0] == parent}
    elsewhere = {name.rpartition(".")[2]: name for name in reversed(known)}
    near = [siblings[name] for name in get_close_matches(leaf, siblings, n=1, cutoff=0.7)]
    near = near or [elsewhere[name] for name in get_close_matches(leaf, elsewhere, n=1, cutoff=0.9)]
    if near:
        return f"{key} is unknown: did you mean {near[0]}?"
    beside = list(siblings.values()) or [name for name in known if "." not in name]
    return f"{key} is unknown: known are {', '.join(beside)}"


def _fix(key: str, where: Where) -> str:
    place = where(key)
    return f"{place} or --params={key}=…" if place.endswith(".yml") else place


def _complaint(kind: str, message: str) -> str:
    message = _shortened(message, MAX_MESSAGE)
    if kind == "value_error":  # a validator's own sentence
        return f"is not valid: {message.partition(', ')[2].rstrip('.')}"
    if kind == "model_type":
        return "is not valid: must be a group of keys"
    if kind in ("tuple_type", "list_type"):
        return "is not valid: must be a list, as [a, b]"
    if kind == "string_type":
        return "is not valid: must be a text, in quotation marks if YAML takes it for something else"
    rule = re.sub(r"^\w+ should", "must", message).replace(" after validation", "").rstrip(".")
    if kind.startswith(("greater_than", "less_than", "multiple_of")):
        return f"is out of range: {rule}"
    if kind == "literal_error":
        return f"is not one of the choices: {rule}"
    return f"is not valid: {rule}"
