"""Records of metadata files: JSON Lines, JSON, CSV, TSV and Parquet, as dictionaries of their fields."""

import csv
import io
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, count
from pathlib import Path, PurePath
from typing import Any, TextIO

from lexipix.datasets.sources.images import suffixes
from lexipix.datasets.sources.table_files import parquet_schema, plain_fields, reading_table, table_records
from lexipix.datasets.sources.text_files import encoding_of
from lexipix.utils.errors import LexipixError

FILE_NAME = "file_name"  # the field with the path of the image
MAX_BYTES = 2**20  # of a line; longer ones are something else
_INVALID = re.compile("[\ud800-\udfff]")
_NAMED = re.compile(r'"file_name"\s*:\s*("(?:[^"\\]|\\.)*")')
_DELIMITERS = {".csv": ",;\t", ".tsv": "\t"}  # spreadsheets write semicolons or tabs in some languages


@dataclass(frozen=True)
class Fault:
    """What stands in place of a record that cannot be read."""

    reason: str
    file_name: str | None = None  # the image that it names, if that can be read


Record = dict[str, Any] | Fault


@dataclass(frozen=True)
class Doubled:
    """An object of JSON in which a key occurs twice."""

    pairs: list[tuple[str, Any]]

    @property
    def key(self) -> str:
        """The first such key."""
        counts = Counter(key for key, _ in self.pairs)
        return next(key for key, count in counts.items() if count > 1)


def parse_json(text: str) -> Any:
    """A document in JSON, with objects as dictionaries, and as :class:`Doubled` where one would lose a value.

    Raises:
        ValueError: It is no JSON.
        RecursionError: It is too deep.
    """
    return json.loads(text, object_pairs_hook=_object)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any] | Doubled:
    found = dict(pairs)
    return found if len(found) == len(pairs) else Doubled(pairs)


def read_records(
    path: Path, caption_field: str, content: io.BytesIO | None = None
) -> list[tuple[str, Record]]:
    """Records with their places, such as ``line 3``; ``content`` is that of a file in an archive.

    Raises:
        LexipixError: The file cannot be read as a whole.
    """
    suffix = path.suffix.lower()
    if suffix == ".parquet":
        found = _parquet_records(path, content)
        return [(f"row {number}", record) for number, record in enumerate(found, 1)]
    try:
        with path.open("rb") if content is None else content as stream:
            encoding = encoding_of(stream.read(4))
            n_bytes = stream.seek(0, io.SEEK_END)
            stream.seek(0)
            # Invalid bytes become lone surrogates, so that they invalidate their row and not the whole file.
            file = io.TextIOWrapper(stream, encoding, errors="surrogateescape", newline="")
            if suffix == ".json":
                rows = _json_records(path, file.read(), caption_field)
                return [(f"row {number}", record) for number, record in enumerate(rows, 1)]
            lines = _lines(path, file, n_bytes)
            records = _csv_records(path, lines) if suffix in _DELIMITERS else _json_lines(lines)
            return [(f"line {number}", record) for number, record in records]
    except UnicodeError as error:
        raise LexipixError(f"{path} is no text in {encoding} ({error.args[-1]}): save it as UTF-8.") from None
    except OSError as error:
        raise LexipixError(f"{path} cannot be read ({error.strerror or error}): check the file.") from None


def _lines(path: Path, file: TextIO, n_bytes: int) -> Iterator[str]:
    for line in count(1):
        text = file.readline(MAX_BYTES + 1)
        if len(text) > MAX_BYTES:
            raise LexipixError(
                f"{path} ({n_bytes:,} bytes) has a line {line} of more than {MAX_BYTES:,} bytes: "
                "it must have one small row for each image."
            )
        if not text:
            return
        yield text


def _json_lines(lines: Iterable[str]) -> Iterator[tuple[int, Record]]:
    for line, text in enumerate(lines, 1):
        if text.strip():
            yield line, _json_line(text)


def _json_line(text: str) -> Record:
    if _INVALID.search(text):
        return Fault("the line is not valid UTF-8", _named(text))
    try:
        record = parse_json(text)
    except (ValueError, RecursionError) as error:
        return Fault(f"the line is not valid JSON: {error}", _named(text))
    if isinstance(record, Doubled):
        return Fault(f"the line has the field {record.key!r} twice", _named(text))
    return record if isinstance(record, dict) else Fault("the line is not a JSON object")


def _named(text: str) -> str | None:
    """The image that a damaged line of JSON names."""
    match = _NAMED.search(text)
    try:
        return None if match is None else str(json.loads(match[1]))
    except ValueError:
        return None


def _json_records(path: Path, text: str, caption_field: str) -> Iterator[Record]:
    """A list of objects, or an object with the captions or the fields of each image by its name.

    A name that occurs twice has several rows.
    """
    try:
        document = parse_json(text)
    except (ValueError, RecursionError) as error:
        raise LexipixError(f"{path} is not valid JSON: {error}.") from None
    if isinstance(document, dict | Doubled):
        pairs = document.pairs if isinstance(document, Doubled) else document.items()
        document = [_by_name(name, value, caption_field) for name, value in pairs]
    if not isinstance(document, list):
        raise LexipixError(f"{path} is neither a list of objects nor an object: write one object per image.")
    for record in document:
        if isinstance(record, Doubled):
            name = dict(record.pairs).get(FILE_NAME)
            record = Fault(
                f"the row has the field {record.key!r} twice", name if isinstance(name, str) else None
            )
        yield record if isinstance(record, dict | Fault) else Fault("the row is not a JSON object")


def _by_name(name: str, value: Any, caption_field: str) -> Record | Doubled:
    """The record of an image by its name."""
    if isinstance(value, Doubled):
        return Doubled([(FILE_NAME, name), *value.pairs])
    return {FILE_NAME: name, **(value if isinstance(value, dict) else {caption_field: value})}


def _csv_records(path: Path, lines: Iterator[str]) -> Iterator[tuple[int, Record]]:
    first = next(lines, "")
    delimiters = _DELIMITERS[path.suffix.lower()]
    delimiter = next((sign for sign in delimiters if FILE_NAME in _cells(first, sign)), delimiters[0])
    reader = csv.reader(
        chain([first], lines), strict=True, delimiter=delimiter, skipinitialspace=f"{delimiter} " in first
    )
    line, header = 1, None
    try:
        for cells in reader:
            line, begun = reader.line_num + 1, line
            if not any(cell.strip() for cell in cells):  # spreadsheets write such rows at the end
                continue
            if header is None:
                header = _without_blank_end([name.strip() for name in cells])
                if twice := [name for name in header if name and header.count(name) > 1]:
                    raise LexipixError(f"{path} has two fields {twice[0]!r}: rename or delete one of them.")
                continue
            _check_no_row_inside(path, begun, cells, delimiter)
            yield begun, _csv_record(header, cells)
    except csv.Error as error:
        raise LexipixError(
            f"{path} is not valid CSV at line {line}: {error}. Write a quotation mark inside of a text "
            "twice, and the text in quotation marks."
        ) from None


def _cells(line: str, delimiter: str) -> list[str]:
    return [cell.strip().strip('"') for cell in line.split(delimiter)]


def _check_no_row_inside(path: Path, line: int, cells: list[str], delimiter: str) -> None:
    """A stray quotation mark swallows the rows up to the next one."""
    for cell in cells:
        for inner in cell.splitlines()[1:]:
            if any(PurePath(part).suffix.lower() in suffixes() for part in _cells(inner, delimiter)):
                raise LexipixError(
                    f"{path} is not valid CSV at line {line}: a text that begins there with a quotation mark "
                    f"contains the row {inner[:60]!r}. Delete the quotation mark, or write it twice."
                )


def _without_blank_end(cells: list[str], length: int = 0) -> list[str]:
    """Cells without blank ones at the end, but ``length`` of them at least."""
    end = len(cells)
    while end > length and not cells[end - 1].strip():
        end -= 1
    return cells[:end]


def _csv_record(header: list[str], cells: list[str]) -> Record:
    cells = _without_blank_end(cells, len(header))
    record = {key: value or None for key, value in zip(header, cells, strict=False)}
    name = record.get(FILE_NAME)
    name = None if name is None or _INVALID.search(name) else name
    if len(cells) != len(header):
        return Fault(
            f"the row has {'more' if len(cells) > len(header) else 'fewer'} fields than the header", name
        )
    if any(_INVALID.search(cell) for cell in cells):
        return Fault("the row is not valid UTF-8", name)
    return dict(record)


def _parquet_records(path: Path, content: io.BytesIO | None) -> list[Record]:
    # Fields of other types, such as the images themselves or times, are no captions.
    with reading_table(path, "not a valid Parquet file"):
        schema = parquet_schema(path, content)
        if twice := [name for name in schema.names if schema.names.count(name) > 1]:
            raise LexipixError(f"{path} has two fields {twice[0]!r}: rename or delete one of them.")
        return list(table_records(path, plain_fields(schema), content))
