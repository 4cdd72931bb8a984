"""Captions made of the fields of a row: one picture, several ways to say what it shows."""

import string
from collections.abc import Collection, Mapping
from itertools import product
from typing import Any

from lexipix.config.ingestion import FolderSourceParameters

CAPTION = "caption"  # what a template calls the field ``caption_field``


class Wordings:
    """Makes the wordings of a row of a metadata file.

    Args:
        parameters: Templates, and what they say for some values.
    """

    def __init__(self, parameters: FolderSourceParameters) -> None:
        self._values = parameters.caption_values
        self._templates: dict[str, list[tuple[str, str | None]]] = {
            template: [
                (before, parameters.caption_field if name == CAPTION else name)
                for before, name, _, _ in string.Formatter().parse(template)
            ]
            for template in parameters.caption_templates
        }
        self._caption_field = parameters.caption_field

    def missing(self, fields: Collection[str]) -> dict[str, list[str]]:
        """Template -> the fields it names that are not among ``fields``."""
        return {
            template: [name for _, name in parts if name is not None and name not in fields]
            for template, parts in self._templates.items()
        }

    def __call__(self, record: Mapping[str, Any]) -> tuple[str, ...]:
        """The wordings of one row, the caption first; none where it can fill no template.

        Where the captions' field is a list, each of its texts makes wordings of its own; a list in another
        field is spoken as one text with commas.

        Raises:
            ValueError: A field that is named is neither text nor number nor a list of them; the sentence goes
                on after "the caption of …".
        """
        wordings: dict[str, None] = {}
        for parts in self._templates.values():
            choices = [self._choices(record, name) for _, name in parts if name is not None]
            for chosen in product(*choices):
                values = iter(chosen)
                wordings[
                    "".join(before + (next(values) if name is not None else "") for before, name in parts)
                ] = None
        return tuple(wordings)

    def _choices(self, record: Mapping[str, Any], name: str) -> list[str]:
        value = record.get(name)
        texts = value if isinstance(value, list) else [] if value is None else [value]
        numbers_too = name != self._caption_field  # a number there is a wrong field, not a caption
        spoken = []
        for text in texts:
            if numbers_too and isinstance(text, int | float) and not isinstance(text, bool):
                text = str(text)
            if not isinstance(text, str):
                raise ValueError(f"in the field {name!r} is no text")
            text = self._values.get(name, {}).get(text, text)
            if text.strip():
                spoken.append(text)
        return spoken if name == self._caption_field else [", ".join(spoken)] if spoken else []
