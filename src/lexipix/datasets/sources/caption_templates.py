"""Captions from the fields of a metadata row, by templates: several captions for one image."""

import string
from collections.abc import Collection, Mapping
from itertools import product
from typing import Any

from lexipix.config.ingestion import FolderSourceParameters

CAPTION = "caption"  # the name of ``caption_field`` in templates


class CaptionTemplates:
    """Fills the caption templates with the fields of a row.

    Args:
        parameters: The templates, and replacements of values.
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
        """Fields of each template that are not among ``fields``."""
        return {
            template: [name for _, name in parts if name is not None and name not in fields]
            for template, parts in self._templates.items()
        }

    def __call__(self, record: Mapping[str, Any]) -> tuple[str, ...]:
        """The captions of one row, those of the first template first; empty if no template can be filled.

        If the caption field is a list, each of its texts fills the templates; a list in another field becomes
        one text with commas.

        Raises:
            ValueError: A field is neither a text or number nor a list of them. The message continues "the
                caption of …".
        """
        captions: dict[str, None] = {}
        for parts in self._templates.values():
            choices = [self._choices(record, name) for _, name in parts if name is not None]
            for chosen in product(*choices):
                values = iter(chosen)
                captions[
                    "".join(before + (next(values) if name is not None else "") for before, name in parts)
                ] = None
        return tuple(captions)

    def _choices(self, record: Mapping[str, Any], name: str) -> list[str]:
        value = record.get(name)
        texts = value if isinstance(value, list) else [] if value is None else [value]
        allows_numbers = name != self._caption_field  # a caption that is a number means a wrong field
        found = []
        for text in texts:
            if allows_numbers and isinstance(text, int | float) and not isinstance(text, bool):
                text = str(text)
            if not isinstance(text, str):
                raise ValueError(f"in the field {name!r} is not a text")
            text = self._values.get(name, {}).get(text, text)
            if text.strip():
                found.append(text)
        return found if name == self._caption_field else [", ".join(found)] if found else []
