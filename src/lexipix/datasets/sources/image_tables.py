"""Tables with images inside, of Hugging Face datasets: Parquet files, and Arrow files of ``save_to_disk``."""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from io import BytesIO
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from lexipix.datasets.sources.file_tree import Content, require_small
from lexipix.datasets.sources.images import Unusable
from lexipix.datasets.sources.table_files import (
    arrow_schema,
    parquet_schema,
    read_batches,
    reading_table,
    table_records,
)
from lexipix.utils.errors import LexipixError

if TYPE_CHECKING:
    import pyarrow as pa

_ROWS = 16  # that are in memory at a time
_N_SAMPLED = 96  # images that are looked at for their size


class _Named(Protocol):
    @property
    def file(self) -> str: ...


Named = TypeVar("Named", bound=_Named)


@dataclass(frozen=True)
class ImageTable:
    """A table with a column of images, read some rows at a time."""

    path: Path
    name: str  # relative to the source
    image: str  # the column with the images
    fields: tuple[str, ...]  # columns of texts and numbers
    texts: tuple[str, ...]  # those of texts alone
    classes: dict[str, list[str]] = field(default_factory=dict)  # names of the numbers in a column

    def file(self, row: int) -> str:
        """What a row is called in messages; rows are counted from 1."""
        return f"{self.name}:{row}"

    def records(self) -> Iterator[dict[str, Any]]:
        """The fields of each row, with the names of classes instead of their numbers."""
        for record in table_records(self.path, self.fields):
            for name, names in self.classes.items():
                number = record[name]
                is_known = isinstance(number, int) and 0 <= number < len(names)
                record[name] = names[number] if is_known else None
            yield record

    def images(self) -> "Iterator[_Cell]":
        """The images of all rows in their order."""
        with reading_table(self.path):
            for batch in read_batches(self.path, [self.image], _ROWS):
                for cell in batch.column(0):
                    yield _Cell(cell)


@dataclass(frozen=True)
class _Cell:
    """An image in a table: its bytes, or a struct with its bytes and its path."""

    cell: Any

    def content(self, file: str) -> Content:
        """The content of the image, whatever it is called."""
        value = self.cell
        if hasattr(value, "keys"):
            value = value["bytes"] if value.is_valid else value
        content = value.as_py() if value.is_valid else None
        if not content:
            raise Unusable("the row has no image: a table must hold the images themselves, not their paths")
        require_small(len(content))
        return BytesIO(content)


@dataclass(frozen=True)
class TableSet:
    """The tables of a source, whose images are read in the order of their rows."""

    tables: Sequence[ImageTable]

    def tasks(self, entries: Iterable[Named]) -> Iterator[tuple[Named, Callable[[str], Content]]]:
        """Entries, in the order of tables and rows, each with what gives its image."""
        by_name = {table.name: table for table in self.tables}
        for name, group in groupby(entries, key=lambda entry: entry.file.rpartition(":")[0]):
            images = enumerate(by_name[name].images(), 1)
            for entry in group:
                row = int(entry.file.rpartition(":")[2])
                cell = next(cell for number, cell in images if number == row)
                yield entry, cell.content

    def sample(self, files: Sequence[str]) -> tuple[Sequence[str], Callable[[str], Content]]:
        """The first images of each table, for facts that all have in common."""
        share = -(-_N_SAMPLED // len(self.tables))
        cells: dict[str, _Cell] = {}
        for table in self.tables:
            for row, cell in zip(range(1, share + 1), table.images(), strict=False):
                cells[table.file(row)] = cell
        return list(cells), lambda file: cells[file].content(file)


def open_table(path: Path, name: str) -> ImageTable | None:
    """The table in a file; None if it holds no images.

    Raises:
        LexipixError: It is damaged, claims to be huge, or several columns may be the images.
    """
    import pyarrow.types as types

    with reading_table(path):
        schema = parquet_schema(path) if path.suffix.lower() == ".parquet" else arrow_schema(path)
        if not (images := [column.name for column in schema if _holds_image(column.type)]):
            return None
        if len(images) > 1 and "image" not in images:
            raise LexipixError(
                f"{path} has several columns of images, {', '.join(images)}: keep one, or call it image."
            )
        image = "image" if "image" in images else images[0]
        texts = tuple(column.name for column in schema if _is_text(column.type))
        numbers = [
            column.name
            for column in schema
            if types.is_integer(column.type) or types.is_floating(column.type)
        ]
        fields = tuple(column.name for column in schema if column.name in {*texts, *numbers})
        classes = {name: names for name, names in _class_names(schema).items() if name in numbers}
        if len(schema.names) != len(set(schema.names)):
            raise LexipixError(f"{path} has two columns of one name: rename or delete one of them.")
    return ImageTable(path, name, image, fields, (*texts, *classes), classes)


def _holds_image(kind: Any) -> bool:
    import pyarrow.types as types

    if types.is_struct(kind):
        return kind.get_field_index("bytes") >= 0 and _holds_image(kind.field("bytes").type)
    return bool(types.is_binary(kind) or types.is_large_binary(kind))


def _is_text(kind: Any) -> bool:
    import pyarrow.types as types

    if types.is_list(kind) or types.is_large_list(kind):
        kind = kind.value_type
    if types.is_dictionary(kind):
        kind = kind.value_type
    return bool(types.is_string(kind) or types.is_large_string(kind))


def _class_names(schema: "pa.Schema") -> dict[str, list[str]]:
    """The names of classes by column, which datasets writes into the schema."""
    try:
        features = json.loads((schema.metadata or {})[b"huggingface"])["info"]["features"]
        return {
            name: [str(label) for label in feature["names"]]
            for name, feature in features.items()
            if feature.get("_type") == "ClassLabel"
        }
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError):
        return {}
