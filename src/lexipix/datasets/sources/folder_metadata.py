"""Captions in the rows of a metadata file (layout of Hugging Face's ImageFolder)."""

import logging
import string
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from io import BytesIO
from itertools import product
from pathlib import Path
from typing import Any

from lexipix.config.ingestion import FolderSourceParameters
from lexipix.datasets.sources.concepts import CaptionedRow
from lexipix.datasets.sources.images import Unusable
from lexipix.datasets.sources.metadata_records import FILE_NAME, Doubled, Fault, parse_json, read_records
from lexipix.utils.errors import LexipixError

_log = logging.getLogger(__name__)

CAPTION = "caption"  # the name of ``caption_field`` in templates
MAX_VALUE = 64  # characters of a field that can name a style
_USUAL = ("caption", "captions", "prompt", "description")  # fields of captions in tables and records
_MAX_SHOWN = 12  # names of fields in a message
_FIELD_KEY = "ingestion.source.folder.caption_field"
_TEMPLATES_KEY = "ingestion.source.folder.caption_templates"


@dataclass(frozen=True)
class Row:
    """The row of one image."""

    place: str  # the metadata file and the line, for error messages
    file_name: str  # path of the image relative to the metadata file
    texts: tuple[str, ...]  # the caption, then other captions of the same image
    label: str | None  # the field ``label``, if it has one
    captioned: CaptionedRow | None = None  # to find its concept; None without a caption


@dataclass(frozen=True)
class FailedRow:
    """A row that cannot be used."""

    place: str
    reason: str
    file_name: str | None = None  # the image that it names, if that can be read


def read_rows(
    path: Path, shown: str, parameters: FolderSourceParameters, content: BytesIO | None = None
) -> list[Row | FailedRow]:
    """Rows of a metadata file, or of its ``content`` if it lies in an archive.

    Each field is a text, a number, a list of them, or null; ``shown`` is the file's name in places.

    Raises:
        LexipixError: No row can be used, or the file has no file names, or neither labels nor the fields of
            any template.
    """
    records = read_records(path, parameters.caption_field, content)
    fields: dict[str, None] = {}
    for _, record in records:
        if isinstance(record, dict):
            fields |= dict.fromkeys(record)
    if fields and FILE_NAME not in fields:
        raise LexipixError(
            f"{path} has no field {FILE_NAME} (found: {', '.join(fields)}): each row must have the image's "
            "path in it."
        )
    if fields:
        check_templates(path, fields, parameters)
    rows = [row_of(f"{shown} {place}", record, parameters) for place, record in records]
    if not any(isinstance(row, Row) for row in rows):
        first = next(
            (f" The first, {row.place}: {row.reason}." for row in rows if isinstance(row, FailedRow)), ""
        )
        raise LexipixError(
            f"{path} has no row that can be used.{first} Write one row with the field {FILE_NAME} for each "
            "image, or delete the file."
        )
    return rows


def check_templates(path: Path, fields: Collection[str], parameters: FolderSourceParameters) -> None:
    """Check that some row can have a caption by its fields.

    Raises:
        LexipixError: There are neither labels nor the fields of any template.
    """
    found = f"(found: {', '.join(fields)})"
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


def row_of(place: str, record: dict[str, Any] | Fault, parameters: FolderSourceParameters) -> Row | FailedRow:
    """The row of a record; ``place`` is where it stands."""
    if isinstance(record, Fault):
        return FailedRow(place, record.reason, record.file_name)
    name = record.get(FILE_NAME)
    if not isinstance(name, str) or not name.strip():
        return FailedRow(place, f"the row has no file name in the field {FILE_NAME}")
    try:
        texts = fill_templates(record, parameters)
        label = _label(record, is_needed=not texts)
    except ValueError as error:
        return FailedRow(place, f"the caption of {name!r} {error}", name)
    return Row(place, name, texts, label, _captioned(record, parameters) if texts else None)


def with_usual_field(fields: Collection[str], parameters: FolderSourceParameters) -> FolderSourceParameters:
    """The parameters, with the first usual name of a caption among fields that lack ``caption_field``."""
    usual = next((name for name in _USUAL if name in fields), None)
    if parameters.caption_field in fields or usual is None:
        return parameters
    return parameters.model_copy(update={"caption_field": usual})


def texts_of_record(
    text: str, name: str, parameters: FolderSourceParameters
) -> tuple[tuple[str, ...], str | None]:
    """The captions and the label in a file with the fields of one image (``NAME.json``).

    Raises:
        Unusable: It is no JSON object, or has no field for a caption.
    """
    try:
        record = parse_json(text)
    except (ValueError, RecursionError) as error:
        raise Unusable(f"its caption file {name} is not valid JSON: {error}") from None
    if isinstance(record, Doubled):
        raise Unusable(f"its caption file {name} has the field {record.key!r} twice")
    if not isinstance(record, dict):
        raise Unusable(f"its caption file {name} is not a JSON object")
    parameters = with_usual_field(record, parameters)
    if parameters.caption_field not in record and "label" not in record:
        found = ", ".join(list(record)[:_MAX_SHOWN])
        raise Unusable(
            f"its caption file {name} has no field {parameters.caption_field!r} (found: {found}): "
            f"set {_FIELD_KEY}"
        )
    try:
        texts = fill_templates(record, parameters)
        return texts, _label(record, is_needed=not texts)
    except ValueError as error:
        raise Unusable(f"the caption in {name} {error}") from None


def _label(record: dict[str, Any], is_needed: bool) -> str | None:
    """The class of a row; numbers count as their digits."""
    label = record.get("label")
    if isinstance(label, float) and label.is_integer():  # a table with gaps has floats
        label = int(label)
    if label is None or label != label or isinstance(label, str | int | float):
        return str(label) if label is not None and label == label and str(label).strip() else None
    if is_needed:
        raise ValueError("in the field 'label' is not a text or a number")
    return None


def _captioned(record: dict[str, Any], parameters: FolderSourceParameters) -> CaptionedRow | None:
    captions = _texts(record, parameters.caption_field, parameters)
    fields = {
        field: value
        for field, value in record.items()
        if isinstance(value, str) and 0 < len(value) <= MAX_VALUE
        if field not in (FILE_NAME, "label", parameters.caption_field)
    }
    return CaptionedRow(captions[0], fields) if captions else None


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
