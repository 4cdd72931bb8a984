"""What is known about the items of a part of the source but for their pixels, in the order of the source."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lexipix.utils.types import Reject, SourceImage

if TYPE_CHECKING:
    import pyarrow as pa

_IMAGE = ("file", "caption", "caption_source", "paraphrases", "split", "digest", "from_folder_name")
_REJECT = ("file", "reason", "is_counted")
_CHUNK_ROWS = 4096


class ItemWriter:
    """Writes items of a part, images and rejects; a context that closes the file."""

    def __init__(self, path: Path) -> None:
        import pyarrow.parquet as pq

        self._schema = _schema()
        self._file = path.open("wb")
        self._writer = pq.ParquetWriter(self._file, self._schema, compression="zstd")
        self._rows: list[dict[str, Any]] = []

    def __enter__(self) -> "ItemWriter":
        return self

    def __exit__(self, *error: object) -> None:
        with self._file, self._writer:
            self._write()

    def add(self, item: SourceImage | Reject) -> None:
        names = _REJECT if isinstance(item, Reject) else _IMAGE
        self._rows.append({name: getattr(item, name) for name in names})
        if len(self._rows) >= _CHUNK_ROWS:
            self._write()

    def _write(self) -> None:
        import pyarrow as pa

        self._writer.write_table(pa.Table.from_pylist(self._rows, schema=self._schema))
        self._rows.clear()


def read_items(path: Path) -> Iterator[SourceImage | Reject]:
    """Yield the items of a part; images without their pixels."""
    import numpy as np
    import pyarrow.parquet as pq

    nothing = np.empty((0, 0, 3), np.uint8)
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(_CHUNK_ROWS):
            for row in batch.to_pylist():
                if row["digest"] is None:
                    yield Reject(**{name: row[name] for name in _REJECT})
                else:
                    known = {name: row[name] for name in _IMAGE} | {"paraphrases": tuple(row["paraphrases"])}
                    yield SourceImage(image=nothing, **known)


def read_digests(path: Path) -> list[str]:
    """Digests of the images of a part."""
    import pyarrow.parquet as pq

    digests: list[str] = pq.read_table(path, columns=["digest"])["digest"].drop_null().to_pylist()
    return digests


def _schema() -> "pa.Schema":
    import pyarrow as pa

    kinds = dict.fromkeys((*_IMAGE, *_REJECT), pa.string())
    flags = dict.fromkeys(("from_folder_name", "is_counted"), pa.bool_())
    return pa.schema(kinds | {"paraphrases": pa.list_(pa.string())} | flags)
