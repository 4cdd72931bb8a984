"""Turns pydantic's errors into one sentence each, with the parameter's full key and how to fix it."""

import re
from collections.abc import Callable, Iterator, Mapping
from difflib import get_close_matches
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from lexipix.config.renamed import REMOVED, new_name

Where = Callable[[str], str]


def explain(
    error: ValidationError, raw: Mapping[str, Any], model: type[BaseModel], where: Where
) -> list[str]:
    """A sentence for each error.

    Args:
        error: Pydantic's error.
        raw: The parameters that were validated.
        model: The model that they were validated with; unknown keys are compared with its keys.
        where: Full key -> the place where the user sets it, such as a file's name.

    Returns:
        Sentences, in the order of pydantic's errors.
    """
    known = list(keys(model))
    found = error.errors(include_url=False)
    # If all values of a list are wrong, pydantic also reports that the list is empty
    wrong_inside = {details["loc"][:-1] for details in found}
    return [
        _sentence(details, raw, known, where)
        for details in found
        if details["type"] != "too_short" or details["loc"] not in wrong_inside
    ]


def keys(model: type[BaseModel], prefix: str = "") -> Iterator[str]:
    """The full keys of a model and of the models inside it, groups included."""
    for name, field in model.model_fields.items():
        key = f"{prefix}{name}"
        yield key
        for inner in _models(field.annotation):
            yield from keys(inner, f"{key}.")


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    """The models in an annotation such as ``A | B | None`` or ``list[A]``."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _models(argument)


def _sentence(details: Any, raw: Mapping[str, Any], known: list[str], where: Where) -> str:
    key = _key(details["loc"], raw)
    if details["type"] == "extra_forbidden" and key in REMOVED:
        return f"parameters: {key} is gone, {REMOVED[key]}: delete it ({where(key)})."
    if details["type"] == "extra_forbidden" and (new := new_name(key, known)):
        return f"parameters: {key} has a new name: {new} ({where(key)})."
    if details["type"] == "extra_forbidden":
        return f"parameters: {key} is unknown: {_nearest(key, known)} ({where(key)})."
    if details["type"] == "missing" and isinstance(details["loc"][-1], int):
        lack = f"has too few values, number {details['loc'][-1] + 1} is missing"
        return f"parameters: {key} = {list(details['input'])} {lack} ({_fix(key, where)})."
    if details["type"] == "missing":
        return f"parameters: {key} is missing: add it ({_fix(key, where)})."
    if not key:  # two sections contradict each other; the validator's sentence names both
        return f"parameters: {details['msg'].partition(', ')[2]}."
    value = details["input"]
    found = "" if isinstance(value, Mapping | list | tuple) else f" = {value!r}"
    return f"parameters: {key}{found} {_complaint(details)} ({_fix(key, where)})."


def _fix(key: str, where: Where) -> str:
    place = where(key)
    return f"{place} or --params={key}=…" if place.endswith(".yml") else place


def _complaint(details: Any) -> str:
    kind: str = details["type"]
    message: str = details["msg"]
    if kind in ("value_error", "assertion_error"):  # a validator's own sentence
        return f"is not valid: {message.partition(', ')[2].rstrip('.')}"
    if kind == "model_type":
        return "is not valid: must be a group of keys"
    if kind in ("tuple_type", "list_type"):
        return "is not valid: must be a list, as [a, b]"
    rule = re.sub(r"^\w+ should", "must", message).replace(" after validation", "").rstrip(".")
    if kind.startswith(("greater_than", "less_than", "multiple_of")):
        return f"is out of range: {rule}"
    if kind in ("literal_error", "enum"):
        return f"is not one of the choices: {rule}"
    return f"is not valid: {rule}"


def _key(loc: tuple[int | str, ...], raw: Any) -> str:
    """The full key at a location, without the parts that name a member of a union."""
    parts: list[str] = []
    for index, part in enumerate(loc):
        last = index == len(loc) - 1
        if isinstance(raw, Mapping):
            if part not in raw and not last:
                continue
            raw = raw.get(part)
            parts.append(str(part))
        elif isinstance(raw, list) and isinstance(part, int) and part < len(raw):
            raw = raw[part]
            parts.append(str(part))
        # Deeper parts name pydantic's own checks, not keys.
    return ".".join(parts)


def _nearest(key: str, known: list[str]) -> str:
    """The known key that was probably meant, else the keys of the same group."""
    parent, _, leaf = key.rpartition(".")
    siblings = {name.rpartition(".")[2]: name for name in known if name.rpartition(".")[0] == parent}
    elsewhere = {name.rpartition(".")[2]: name for name in reversed(known)}
    near = [siblings[name] for name in get_close_matches(leaf, siblings, n=1, cutoff=0.7)]
    near = near or [elsewhere[name] for name in get_close_matches(leaf, elsewhere, n=1, cutoff=0.9)]
    if near:
        return f"did you mean {near[0]}?"
    beside = list(siblings.values()) or [name for name in known if "." not in name]
    return f"known are {', '.join(beside)}"
