"""Reads captions from ``metadata.jsonl`` or ``metadata.csv`` (layout of Hugging Face's ImageFolder)."""

import csv
import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from lexipix.config.ingestion import FolderSourceParameters
from lexipix.datasets.sources.caption_templates import CaptionTemplates
from lexipix.utils.errors import LexipixError
from lexipix.utils.types import Reject

_log = logging.getLogger(__name__)

_MAX_LINE = 2**20  # bytes; a file with a longer line has another format
_FIELD_KEY = "ingestion.source.folder.caption_field"
_TEMPLATES_KEY = "ingestion.source.folder.caption_templates"


@dataclass(frozen=True)
class Row:
    """The row of one image.

    Attributes:
        line: Line in the metadata file, from 1.
        file_name: Path of the image relative to the metadata file.
        texts: The caption, then other captions of the same image.
        label: The field ``label``, if it is a text.
    """

    line: int
    file_name: str
    texts: tuple[str, ...]
    label: str | None


def check_fields(path: Path, parameters: FolderSourceParameters) -> None:
    """Check the first rows, so that a wrong field name is found before all images are read.

    Raises:
        LexipixError: The file has no file names, or neither labels nor the fields of any template.
    """
    seen: dict[str, None] = {}
    for _, record in islice(_records(path), 200):
        if isinstance(record, dict):
            seen |= dict.fromkeys(str(key) for key in record)
    if not seen:
        return
    found = f"(found: {', '.join(seen)})"
    if "file_name" not in seen:
        raise LexipixError(
            f"{path} has no field file_name {found}: each row must have the image's path in it."
        )
    missing = CaptionTemplates(parameters).missing(seen)
    possible = [template for template, lacks in missing.items() if not lacks]
    if not possible and "label" not in seen:
        _, lacks = next(iter(missing.items()))
        if parameters.caption_field in lacks:
            raise LexipixError(
                f"{path} has no field {parameters.caption_field!r} {found}: set {_FIELD_KEY} to the field "
                "with the captions."
            )
        raise LexipixError(
            f"{path} lacks fields for every template in {_TEMPLATES_KEY} (the first needs "
            f"{', '.join(lacks)}) {found}: use fields that exist."
        )
    for template, lacks in missing.items():
        if lacks:
            _log.info(
                "%s: the template %r is not used, %s has no field %s",
                _TEMPLATES_KEY,
                template,
                path.name,
                ", ".join(lacks),
            )


def read_rows(path: Path, parameters: FolderSourceParameters, shown: str) -> Iterator[Row | Reject]:
    """Rows of a metadata file.

    Args:
        path: ``metadata.jsonl`` or ``metadata.csv``.
        parameters: Fields and templates of the captions; each field is a text, a list of texts, or null.
        shown: Name of the file in rejects.

    Yields:
        A row, or a reject for an invalid line.
    """
    templates = CaptionTemplates(parameters)
    for line, record in _records(path):
        row = _row(line, record, templates)
        yield Reject(f"{shown}:{line}", row) if isinstance(row, str) else row


def _row(line: int, record: dict[str, Any] | str, templates: CaptionTemplates) -> Row | str:
    """The row, or the reason why it is invalid."""
    if isinstance(record, str):
        return record
    name, label = record.get("file_name"), record.get("label")
    if not isinstance(name, str) or not name.strip():
        return "the row has no file name in the field file_name"
    try:
        texts = templates(record)
    except ValueError as error:
        return f"the caption of {name!r} {error}"
    return Row(line, name, texts, label if isinstance(label, str) and label.strip() else None)


def _records(path: Path) -> Iterator[tuple[int, dict[str, Any] | str]]:
    return _csv_records(path) if path.suffix == ".csv" else _json_records(path)


def _json_records(path: Path) -> Iterator[tuple[int, dict[str, Any] | str]]:
    with path.open("rb") as file:
        line = 0
        while content := file.readline(_MAX_LINE):
            line += 1
            if len(content) == _MAX_LINE:
                raise LexipixError(
                    f"{path} has a line {line} of more than {_MAX_LINE:,} bytes: it must hold one small JSON "
                    "object on each line."
                )
            try:
                text = content.decode("utf-8-sig" if line == 1 else "utf-8")
                if not text.strip():
                    continue
                record = json.loads(text)
            except UnicodeDecodeError:
                yield line, "the line is not valid UTF-8"
            except (ValueError, RecursionError) as error:
                yield line, f"the line is not valid JSON: {error}"
            else:
                yield line, record if isinstance(record, dict) else "the line is not a JSON object"


def _csv_records(path: Path) -> Iterator[tuple[int, dict[str, Any] | str]]:
    # Invalid bytes become lone surrogates, so that they invalidate their row and not the whole file.
    with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
        reader = csv.DictReader(file)
        try:
            for record in reader:
                values = [value for value in record.values() if isinstance(value, str)]
                if None in record:
                    yield reader.line_num, "the row has more fields than the header"
                elif not all(_is_text(value) for value in values):
                    yield reader.line_num, "the row is not valid UTF-8"
                else:
                    yield reader.line_num, {key: value or None for key, value in record.items()}
        except csv.Error as error:
            raise LexipixError(f"{path} is not valid CSV at line {reader.line_num}: {error}.") from error


def _is_text(value: str) -> bool:
    return value.isascii() or not any("\ud800" <= character <= "\udfff" for character in value)
