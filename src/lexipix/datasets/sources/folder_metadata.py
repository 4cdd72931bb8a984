"""Reads captions from ``metadata.jsonl`` or ``metadata.csv`` (layout of Hugging Face's ImageFolder)."""

import csv
import json
import logging
import re
import string
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from itertools import count, product
from pathlib import Path
from typing import Any, TextIO

from lexipix.config.ingestion import FolderSourceParameters
from lexipix.datasets.sources.concepts import CaptionedRow
from lexipix.utils.errors import LexipixError
from lexipix.utils.types import Reject

_log = logging.getLogger(__name__)

CAPTION = "caption"  # the name of ``caption_field`` in templates
MAX_VALUE = 64  # characters of a field that can name a style
MAX_BYTES = 2**20  # of a line here, and of a caption file; longer ones are something else
_INVALID = re.compile("[\ud800-\udfff]")
_FIELD_KEY = "ingestion.source.folder.caption_field"
_TEMPLATES_KEY = "ingestion.source.folder.caption_templates"


@dataclass(frozen=True)
class Row:
    """The row of one image."""

    place: str  # the metadata file and the line, for error messages
    file_name: str  # path of the image relative to the metadata file
    texts: tuple[str, ...]  # the caption, then other captions of the same image
    label: str | None  # the field ``label``, if it is a text
    captioned: CaptionedRow | None = None  # to find its concept; None without a caption


def read_rows(path: Path, shown: str, parameters: FolderSourceParameters) -> Iterator[Row | Reject]:
    """Rows of a metadata file, and rejects for invalid lines.

    Each field is a text, a list of texts, or null; ``shown`` is the file's name in rejects.

    Raises:
        LexipixError: The file has no file names, or neither labels nor the fields of any template.
    """
    records = list(_records(path))
    fields: dict[str, None] = {}
    for _, record in records:
        if isinstance(record, dict):
            fields |= dict.fromkeys(record)
    if fields:
        _check_fields(path, fields, parameters)
    for line, record in records:
        row = _row(f"{shown} line {line}", record, parameters)
        yield Reject(f"{shown}:{line}", row) if isinstance(row, str) else row


def _check_fields(path: Path, fields: Collection[str], parameters: FolderSourceParameters) -> None:
    found = f"(found: {', '.join(fields)})"
    if "file_name" not in fields:
        raise LexipixError(
            f"{path} has no field file_name {found}: each row must have the image's path in it."
        )
    missing = {
        template: [name for name in fields_of(template, parameters) if name not in fields]
        for template in parameters.caption_templates
    }
    if all(missing.values()) and "label" not in fields:
        first = next(iter(missing.values()))
        if parameters.caption_field in first:
            raise LexipixError(
                f"{path} has no field {parameters.caption_field!r} {found}: set {_FIELD_KEY} to the field "
                "with the captions."
            )
        raise LexipixError(
            f"{path} lacks fields for every template in {_TEMPLATES_KEY} (the first needs "
            f"{', '.join(first)}) {found}: use fields that exist."
        )
    for template, names in missing.items():
        if names:
            message = "%s: the template %r is not used, %s has no field %s"
            _log.info(message, _TEMPLATES_KEY, template, path.name, ", ".join(names))


def _row(place: str, record: dict[str, Any] | str, parameters: FolderSourceParameters) -> Row | str:
    """The row, or the reason why it is invalid."""
    if isinstance(record, str):
        return record
    name, label = record.get("file_name"), record.get("label")
    if not isinstance(name, str) or not name.strip():
        return "the row has no file name in the field file_name"
    try:
        texts = fill_templates(record, parameters)
    except ValueError as error:
        return f"the caption of {name!r} {error}"
    label = label if isinstance(label, str) and label.strip() else None
    return Row(place, name, texts, label, _captioned(record, parameters) if texts else None)


def _captioned(record: dict[str, Any], parameters: FolderSourceParameters) -> CaptionedRow | None:
    captions = _texts(record, parameters.caption_field, parameters)
    fields = {
        field: value
        for field, value in record.items()
        if isinstance(value, str) and 0 < len(value) <= MAX_VALUE
        if field not in ("file_name", "label", parameters.caption_field)
    }
    return CaptionedRow(captions[0], fields) if captions else None


def _records(path: Path) -> Iterator[tuple[int, dict[str, Any] | str]]:
    """Line numbers and rows; in place of an invalid row the reason."""
    # Invalid bytes become lone surrogates, so that they invalidate their row and not the whole file.
    with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
        lines = _lines(path, file)
        if path.suffix != ".csv":
            for line, text in enumerate(lines, 1):
                if text.strip():
                    yield line, _json_record(text)
            return
        reader = csv.DictReader(lines)
        try:
            for record in reader:
                yield reader.line_num, _csv_record(record)
        except csv.Error as error:
            raise LexipixError(f"{path} is not valid CSV at line {reader.line_num}: {error}.") from error


def _lines(path: Path, file: TextIO) -> Iterator[str]:
    for line in count(1):
        text = file.readline(MAX_BYTES + 1)
        if len(text) > MAX_BYTES:
            raise LexipixError(
                f"{path} ({path.stat().st_size:,} bytes) has a line {line} of more than {MAX_BYTES:,} bytes: "
                "it must have one small row for each image."
            )
        if not text:
            return
        yield text


def _json_record(text: str) -> dict[str, Any] | str:
    if _INVALID.search(text):
        return "the line is not valid UTF-8"
    try:
        record = json.loads(text)
    except (ValueError, RecursionError) as error:
        return f"the line is not valid JSON: {error}"
    return record if isinstance(record, dict) else "the line is not a JSON object"


def _csv_record(record: dict[str, Any]) -> dict[str, Any] | str:
    if None in record:
        return "the row has more fields than the header"
    if any(_INVALID.search(value or "") for value in record.values()):
        return "the row is not valid UTF-8"
    return {key: value or None for key, value in record.items()}


def fields_of(template: str, parameters: FolderSourceParameters) -> list[str]:
    """Fields that a template needs."""
    names = (name for _, name, _, _ in string.Formatter().parse(template) if name is not None)
    return [parameters.caption_field if name == CAPTION else name for name in names]


def fill_templates(record: Mapping[str, Any], parameters: FolderSourceParameters) -> tuple[str, ...]:
    """The captions of one row, those of the first template first; empty if no template can be filled.

    Each text of a list in the caption field fills the templates; a list in another field becomes one text.

    Raises:
        ValueError: A field is neither a text or number nor a list of them; continues "the caption of …".
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
