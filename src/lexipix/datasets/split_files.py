"""A pair of files: images as ``.npy`` and their captions as Parquet, neither ever held as a whole."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from lexipix.utils.types import SourceImage

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

_COLUMNS = ("file", "caption", "caption_source", "paraphrases", "label", "digest", "withheld_caption")
_CHUNK_ROWS = 4096  # captions in a row group of Parquet


class SplitWriter:
    """Writes images one by one, and captions in row groups; the stack closes the files."""

    def __init__(self, images: Path, captions: Path, stack: ExitStack) -> None:
        import pyarrow.parquet as pq

        self._schema = captions_schema()
        self._images = stack.enter_context(images.open("wb", buffering=2**20))
        file = stack.enter_context(captions.open("wb"))
        self._captions = stack.enter_context(pq.ParquetWriter(file, self._schema, compression="zstd"))
        self._rows: list[dict[str, Any]] = []
        self.n_images = 0
        self.shape: tuple[int, ...] | None = None

    def add(self, image: SourceImage) -> None:
        if self.shape is None:
            self.shape = image.image.shape
            write_header(self._images, 0, self.shape)
        if image.image.shape != self.shape:
            raise ValueError(f"{image.file} has the shape {image.image.shape}, the other images {self.shape}")
        self._images.write(image.image.tobytes())
        self.n_images += 1
        row = {name: getattr(image, name) for name in _COLUMNS}
        self._rows.append(row if image.caption is not None else row | {"caption_source": None})
        if len(self._rows) >= _CHUNK_ROWS:
            self._write_rows()

    def finish(self, shape: tuple[int, ...]) -> None:
        """Write what remains; an empty split takes the ``shape`` of the other splits' images."""
        self._write_rows()
        # NumPy's header has room for any number of images, so it can be overwritten.
        self._images.seek(0)
        write_header(self._images, self.n_images, self.shape or shape)

    def _write_rows(self) -> None:
        import pyarrow as pa

        self._captions.write_table(pa.Table.from_pylist(self._rows, schema=self._schema))
        self._rows.clear()


def captions_schema() -> "pa.Schema":
    """The columns of captions."""
    import pyarrow as pa

    return pa.schema(dict.fromkeys(_COLUMNS, pa.string()) | {"paraphrases": pa.list_(pa.string())})


def write_header(file: IO[bytes], n_images: int, shape: tuple[int, ...]) -> None:
    """Write the beginning of an ``.npy`` file of images, uint8 (n_images, *shape)."""
    import numpy as np

    header = {"descr": "|u1", "fortran_order": False, "shape": (n_images, *shape)}
    np.lib.format.write_array_header_1_0(file, header)


def write_images(path: Path, images: "np.ndarray", rows: "NDArray[np.intp]") -> None:
    """Write the ``rows`` of images as an ``.npy`` file, some at a time."""
    with path.open("wb") as file:
        write_header(file, len(rows), images.shape[1:])
        for start in range(0, len(rows), _CHUNK_ROWS):
            file.write(images[rows[start : start + _CHUNK_ROWS]].tobytes())


def write_captions(path: Path, table: "pa.Table") -> None:
    """Write captions as Parquet."""
    import pyarrow.parquet as pq

    pq.write_table(table, path, compression="zstd", row_group_size=_CHUNK_ROWS)


def with_captions(table: "pa.Table", further: Mapping[str, list[str]]) -> "pa.Table":
    """A table in which images also have the captions of their copies, by digest."""
    return table.from_pylist(list(_with_captions(table.to_pylist(), further)), schema=table.schema)


def _with_captions(rows: list[dict[str, Any]], further: Mapping[str, list[str]]) -> Iterator[dict[str, Any]]:
    for row in rows:
        texts = further.get(row["digest"], [])
        if texts and (row["caption"] is None or row["caption_source"] == "generated"):
            row |= {"caption": texts[0], "caption_source": "given"}
            texts = texts[1:]
        row["paraphrases"] = [*row["paraphrases"], *texts]
        yield row
