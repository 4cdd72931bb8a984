"""Which parameters are text, and which of those name a file or folder: found in the types of the models."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel

from lexipix.config.root import LexipixParameters
from lexipix.config.run import NamesPath

SOURCE_PATH = "ingestion.source.path"  # the folder or archive of the images


@dataclass(frozen=True)
class TextKey:
    """A parameter that is text, or a list or mapping of text (``has_items``)."""

    has_items: bool
    is_choice: bool
    is_nullable: bool
    is_path: bool


@cache
def text_keys() -> Mapping[str, TextKey]:
    """The parameters that are text by their full keys."""
    found = ((key, _text_key(annotation)) for key, annotation in _leaves(LexipixParameters, ""))
    return {key: text_key for key, text_key in found if text_key is not None}


def text_key(key: str) -> TextKey | None:
    """The text at a full key, also one inside a mapping of text; None for a parameter of another type."""
    if key in text_keys():
        return text_keys()[key]
    parents = (key.rsplit(".", count)[0] for count in range(1, key.count(".") + 1))
    is_item = any(parent in text_keys() and text_keys()[parent].has_items for parent in parents)
    return TextKey(has_items=False, is_choice=False, is_nullable=False, is_path=False) if is_item else None


def path_keys() -> list[str]:
    """The full keys of the parameters that may name a file or folder; relative ones start at the project."""
    return [key for key, text_key in text_keys().items() if text_key.is_path]


def _leaves(model: type[BaseModel], prefix: str) -> Iterator[tuple[str, Any]]:
    for name, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from _leaves(field.annotation, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", field.annotation


def _text_key(annotation: Any) -> TextKey | None:
    parts = list(_parts(annotation))
    types = [part for part in parts if part is not NoneType and not isinstance(part, NamesPath)]
    if not types or not all(map(_is_text, types)):
        return None
    return TextKey(
        has_items=any(get_origin(part) in (tuple, list, dict) for part in types),
        is_choice=any(get_origin(part) is Literal for part in types),
        is_nullable=NoneType in parts,
        is_path=any(isinstance(part, NamesPath) for part in parts),
    )


def _parts(annotation: Any) -> Iterator[Any]:
    """The alternatives of a union, with the marks of paths among them."""
    origin = get_origin(annotation)
    if origin is Annotated:
        inner, *marks = get_args(annotation)
        yield from _parts(inner)
        yield from (mark for mark in marks if isinstance(mark, NamesPath))
    elif origin in (Union, UnionType):
        for part in get_args(annotation):
            yield from _parts(part)
    else:
        yield annotation


def _is_text(part: Any) -> bool:
    origin, arguments = get_origin(part), get_args(part)
    if origin is Literal:
        return all(isinstance(value, str) for value in arguments)
    if origin in (tuple, list, dict):
        return all(_is_text(inner) for one in arguments if one is not ... for inner in _parts(one))
    return part is str
