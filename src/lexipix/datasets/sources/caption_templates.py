"""Captions from the fields of a metadata row, by templates: several captions for one image."""

import string
from collections.abc import Mapping
from itertools import product
from typing import Any

from lexipix.config.ingestion import FolderSourceParameters

CAPTION = "caption"  # the name of ``caption_field`` in templates


def fields_of(template: str, parameters: FolderSourceParameters) -> list[str]:
    """Fields that a template needs."""
    names = (name for _, name, _, _ in string.Formatter().parse(template) if name is not None)
    return [parameters.caption_field if name == CAPTION else name for name in names]


def fill_templates(record: Mapping[str, Any], parameters: FolderSourceParameters) -> tuple[str, ...]:
    """The captions of one row, those of the first template first; empty if no template can be filled.

    If the caption field is a list, each of its texts fills the templates; a list in another field becomes one
    text with commas.

    Raises:
        ValueError: A field is neither a text or number nor a list of them. The message continues "the caption
            of …".
    """
    captions: dict[str, None] = {}
    for template in parameters.caption_templates:
        fields = iter(fields_of(template, parameters))
        choices: list[list[str]] = []
        for literal, name, _, _ in string.Formatter().parse(template):
            choices.append([literal])
            if name is not None:
                choices.append(_texts(record, next(fields), parameters))
        captions |= dict.fromkeys("".join(chosen) for chosen in product(*choices))
    return tuple(captions)


def _texts(record: Mapping[str, Any], field: str, parameters: FolderSourceParameters) -> list[str]:
    value = record.get(field)
    is_caption = field == parameters.caption_field
    found = []
    for text in value if isinstance(value, list) else [] if value is None else [value]:
        # A caption that is a number means a wrong field
        if not is_caption and isinstance(text, int | float) and not isinstance(text, bool):
            text = str(text)
        if not isinstance(text, str):
            raise ValueError(f"in the field {field!r} is not a text")
        text = parameters.caption_values.get(field, {}).get(text, text)
        if text.strip():
            found.append(text)
    return found if is_caption or not found else [", ".join(found)]
