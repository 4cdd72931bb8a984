"""Tables with images inside, of Hugging Face datasets: Parquet files, and Arrow files of ``save_to_disk``."""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import BytesIO
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from lexipix.datasets.sources.file_tree import Content, require_small
from lexipix.datasets.sources.images import Unusable
from lexipix.utils.errors import LexipixError

if TYPE_CHECKING:
    import pyarrow as pa

MAX_ROWS = 10_000_000  # of a table
MAX_UNPACKED, MAX_RATIO = 2**30, 1000  # bytes of a column in a row group, and times its packed size
_ROWS = 16  # that are in memory at a time
_BUFFER = 2**20  # bytes that are read from a Parquet file at a time
_FACT_ROWS = 1024  # the same without images
_N_SAMPLED = 96  # images that are looked at for their size
_ARROW_FILE = b"ARROW1"  # begins the format of files; save_to_disk writes that of streams


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
        for batch in self._batches(self.fields, _FACT_ROWS):
            for record in batch.to_pylist():
                for name, names in self.classes.items():
                    number = record[name]
                    is_known = isinstance(number, int) and 0 <= number < len(names)
                    record[name] = names[number] if is_known else None
                yield record

    def images(self) -> "Iterator[_Cell]":
        """The images of all rows in their order."""
        for batch in self._batches([self.image], _ROWS):
            for cell in batch.column(0):
                yield _Cell(cell)

    def _batches(self, columns: Sequence[str], n_rows: int) -> "Iterator[pa.RecordBatch]":
        with reading_table(self.path):
            read = _parquet_batches if self.path.suffix.lower() == ".parquet" else _arrow_batches
            n_read = 0
            for batch in read(self.path, columns, n_rows):
                n_read += batch.num_rows
                if n_read > MAX_ROWS:
                    raise LexipixError(
                        f"{self.path} has more than {MAX_ROWS:,} rows: divide it into several."
                    )
                yield batch


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


@contextmanager
def reading_table(path: Path) -> Iterator[None]:
    """Report a damaged table in one sentence."""
    try:
        yield
    except LexipixError:
        raise
    except Exception as error:  # hostile files have many ways to fail
        reason = " ".join(str(error).split()) or type(error).__name__
        raise LexipixError(
            f"{path} is damaged or no table ({reason:.300}): make or download it again."
        ) from None


def open_table(path: Path, name: str) -> ImageTable | None:
    """The table in a file; None if it holds no images.

    Raises:
        LexipixError: It is damaged, claims to be huge, or several columns may be the images.
    """
    import pyarrow.types as types

    with reading_table(path):
        schema = _parquet_schema(path) if path.suffix.lower() == ".parquet" else _arrow_schema(path)
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


def _parquet_schema(path: Path) -> "pa.Schema":
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        facts = file.metadata
        for group in range(facts.num_row_groups):
            for column in range(facts.num_columns):
                chunk = facts.row_group(group).column(column)
                unpacked, packed = chunk.total_uncompressed_size, chunk.total_compressed_size
                if unpacked > max(MAX_UNPACKED, MAX_RATIO * packed):
                    raise LexipixError(
                        f"{path} has a column of {packed:,} bytes that claims to hold {unpacked:,}: "
                        "it is not read."
                    )
        return file.schema_arrow


def _arrow_schema(path: Path) -> "pa.Schema":
    import pyarrow as pa

    with pa.memory_map(str(path)) as source, _opened_arrow(source) as reader:
        return reader.schema


def _parquet_batches(path: Path, columns: Sequence[str], n_rows: int) -> "Iterator[pa.RecordBatch]":
    import pyarrow.parquet as pq

    # With a buffer, a page of about a thousand rows is in memory instead of a whole group of rows
    with pq.ParquetFile(path, pre_buffer=False, buffer_size=_BUFFER) as file:
        yield from file.iter_batches(n_rows, columns=list(columns), use_threads=False)


def _arrow_batches(path: Path, columns: Sequence[str], n_rows: int) -> "Iterator[pa.RecordBatch]":
    import pyarrow as pa

    with pa.memory_map(str(path)) as source, _opened_arrow(source) as reader:
        is_file = hasattr(reader, "num_record_batches")
        batches = map(reader.get_batch, range(reader.num_record_batches)) if is_file else reader
        for batch in batches:
            some = batch.select(list(columns))
            some.validate(full=True)  # offsets of a hostile file may point anywhere
            yield from (some.slice(start, n_rows) for start in range(0, some.num_rows, n_rows))


def _opened_arrow(source: Any) -> Any:
    import pyarrow as pa

    begin = source.read(len(_ARROW_FILE))
    source.seek(0)
    return pa.ipc.open_file(source) if begin == _ARROW_FILE else pa.ipc.open_stream(source)
