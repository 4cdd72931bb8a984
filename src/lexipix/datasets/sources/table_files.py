"""The rows of Parquet and Arrow files, some at a time; a damaged file is reported in a sentence."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lexipix.utils.errors import LexipixError

if TYPE_CHECKING:
    import pyarrow as pa

MAX_ROWS = 10_000_000  # of a table
MAX_UNPACKED, MAX_RATIO = 2**30, 1000  # bytes of a column in a row group, and times its packed size
MAX_RECORDS, MAX_RECORDS_RATIO = 2**30, 100  # bytes of the fields of all rows, and times the size of the file
_BUFFER = 2**20  # bytes that are read from a Parquet file at a time
_RECORDS = 64  # rows whose fields are in memory at a time: a small file can hold long texts
_VALUE = 64  # bytes of a value in memory beside its content, at least
_ARROW_FILE = b"ARROW1"  # begins the format of files; save_to_disk writes that of streams


@contextmanager
def reading_table(path: Path, what: str = "damaged or no table") -> Iterator[None]:
    """Report a table that cannot be read in one sentence; ``what`` is what a damaged one is called."""
    try:
        yield
    except LexipixError:
        raise
    except Exception as error:  # hostile files have many ways to fail
        if isinstance(error, OSError) and error.errno is not None:
            raise LexipixError(f"{path} cannot be read ({error.strerror}): check the file.") from None
        reason = " ".join(str(error).split()) or type(error).__name__
        raise LexipixError(f"{path} is {what} ({reason:.300}): make or download it again.") from None


def parquet_schema(path: Path, content: BytesIO | None = None) -> "pa.Schema":
    """The schema of a Parquet file, or of its ``content`` if it lies in an archive.

    Raises:
        LexipixError: A column claims to be huge.
    """
    import pyarrow.parquet as pq

    with pq.ParquetFile(content or path) as file:
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


def arrow_schema(path: Path) -> "pa.Schema":
    """The schema of an Arrow file or stream."""
    import pyarrow as pa

    with pa.memory_map(str(path)) as source, _opened_arrow(source) as reader:
        return reader.schema


def plain_fields(schema: "pa.Schema") -> list[str]:
    """The columns of texts, numbers and truth values, and lists of them."""
    return [column.name for column in schema if _is_plain(column.type)]


def read_batches(
    path: Path, columns: Sequence[str], n_rows: int, content: BytesIO | None = None
) -> "Iterator[pa.RecordBatch]":
    """Some columns of a table, some rows at a time, checked to be valid; to be used in ``reading_table``.

    Raises:
        LexipixError: It has more than ``MAX_ROWS`` rows.
    """
    is_parquet = path.suffix.lower() == ".parquet"
    source = content or path
    batches = _parquet_batches(source, columns, n_rows) if is_parquet else _arrow_batches(path, columns)
    n_read = 0
    for batch in batches:
        n_read += batch.num_rows
        if n_read > MAX_ROWS:
            raise LexipixError(f"{path} has more than {MAX_ROWS:,} rows: divide it into several.")
        batch.validate(full=True)  # offsets of a hostile file may point anywhere, and texts be none
        yield from (batch.slice(start, n_rows) for start in range(0, batch.num_rows, n_rows))


def table_records(
    path: Path, columns: Sequence[str], content: BytesIO | None = None
) -> Iterator[dict[str, Any]]:
    """The fields of each row.

    Raises:
        LexipixError: The table is damaged, or its rows would need much more memory than the file.
    """
    with reading_table(path):
        n_packed = path.stat().st_size if content is None else len(content.getbuffer())
        allowed, n_bytes = max(MAX_RECORDS, MAX_RECORDS_RATIO * n_packed), 0
        for batch in read_batches(path, columns, _RECORDS, content):
            n_bytes += batch.nbytes + _VALUE * batch.num_rows * batch.num_columns
            if n_bytes > allowed:
                raise LexipixError(
                    f"{path} has {n_packed:,} bytes, and its rows need more than {allowed:,}: it is not read."
                )
            yield from batch.to_pylist()


def _parquet_batches(
    source: Path | BytesIO, columns: Sequence[str], n_rows: int
) -> "Iterator[pa.RecordBatch]":
    import pyarrow.parquet as pq

    # With a buffer, a page of about a thousand rows is in memory instead of a whole group of rows
    with pq.ParquetFile(source, pre_buffer=False, buffer_size=_BUFFER) as file:
        yield from file.iter_batches(n_rows, columns=list(columns), use_threads=False)


def _arrow_batches(path: Path, columns: Sequence[str]) -> "Iterator[pa.RecordBatch]":
    import pyarrow as pa

    with pa.memory_map(str(path)) as source, _opened_arrow(source) as reader:
        is_file = hasattr(reader, "num_record_batches")
        batches = map(reader.get_batch, range(reader.num_record_batches)) if is_file else reader
        yield from (batch.select(list(columns)) for batch in batches)


def _is_plain(kind: Any) -> bool:
    import pyarrow.types as types

    if types.is_list(kind) or types.is_large_list(kind) or types.is_dictionary(kind):
        return _is_plain(kind.value_type)
    tests = (types.is_string, types.is_large_string, types.is_integer, types.is_floating)
    return any(test(kind) for test in (*tests, types.is_boolean, types.is_null))


def _opened_arrow(source: Any) -> Any:
    import pyarrow as pa

    begin = source.read(len(_ARROW_FILE))
    source.seek(0)
    return pa.ipc.open_file(source) if begin == _ARROW_FILE else pa.ipc.open_stream(source)
