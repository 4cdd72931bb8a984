"""Captions in ``metadata.jsonl`` or ``metadata.csv``, read row by row (Hugging Face's ImageFolder layout)."""

import csv
import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from lexipix.config.ingestion import FolderSourceParameters
from lexipix.datasets.sources.caption_templates import Wordings
from lexipix.utils.errors import LexipixError
from lexipix.utils.types import Reject

_log = logging.getLogger(__name__)

_MAX_LINE = 2**20  # bytes; a longer "line" is some other file
_FIELD_KEY = "ingestion.source.folder.caption_field"
_TEMPLATES_KEY = "ingestion.source.folder.caption_templates"


@dataclass(frozen=True)
class Row:
    """One picture's row.

    Attributes:
        line: Line in the metadata file, from 1.
        file_name: As written there, relative to the metadata file.
        texts: The caption, then other captions of the same picture.
        label: The field ``label``, if it is a text.
    """

    line: int
    file_name: str
    texts: tuple[str, ...]
    label: str | None


def check_fields(path: Path, parameters: FolderSourceParameters) -> None:
    """Look at the first rows, so that a wrong field name is known before all pictures were read.

    Raises:
        LexipixError: The file has no file names, or neither labels nor the fields of any wording.
    """
    seen: dict[str, None] = {}
    for _, record in islice(_records(path), 200):
        if isinstance(record, dict):
            seen |= dict.fromkeys(str(key) for key in record)
    if not seen:
        return
    found = f"(found: {', '.join(seen)})"
    if "file_name" not in seen:
        raise LexipixError(f"{path} has no field file_name {found}: each row must name its picture there.")
    missing = Wordings(parameters).missing(seen)
    possible = [template for template, lacks in missing.items() if not lacks]
    if not possible and "label" not in seen:
        _, lacks = next(iter(missing.items()))
        if parameters.caption_field in lacks:
            raise LexipixError(
                f"{path} has no field {parameters.caption_field!r} {found}: set {_FIELD_KEY} to the one that "
                "holds the captions."
            )
        raise LexipixError(
            f"{path} has the fields of none of {_TEMPLATES_KEY} (the first lacks {', '.join(lacks)}) "
            f"{found}: name fields that are there."
        )
    for template, lacks in missing.items():
        if lacks:
            _log.info(
                "%s: no wording %r, %s has no field %s", _TEMPLATES_KEY, template, path.name, ", ".join(lacks)
            )


def read_rows(path: Path, parameters: FolderSourceParameters, shown: str) -> Iterator[Row | Reject]:
    """Read a metadata file.

    Args:
        path: ``metadata.jsonl`` or ``metadata.csv``.
        parameters: Which fields make the captions; each is a text, a list of texts, or null.
        shown: The file's name in rejects.

    Yields:
        A row, or a reject for a line that cannot be understood.
    """
    wordings = Wordings(parameters)
    for line, record in _records(path):
        row = _row(line, record, wordings)
        yield Reject(f"{shown}:{line}", row) if isinstance(row, str) else row


def _row(line: int, record: dict[str, Any] | str, wordings: Wordings) -> Row | str:
    """The row, or why it is none."""
    if isinstance(record, str):
        return record
    name, label = record.get("file_name"), record.get("label")
    if not isinstance(name, str) or not name.strip():
        return "the row names no file in the field file_name"
    try:
        texts = wordings(record)
    except ValueError as fault:
        return f"the caption of {name!r} {fault}"
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
    # Invalid bytes are let through as lone surrogates, so that they cost their row and not the file.
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
