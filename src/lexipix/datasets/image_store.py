"""The ingested images on disk, written as a stream and read through memory maps.

The folder holds ``{train,val,test,judge}/images.npy`` and ``captions.parquet``, ``rejects.csv`` and
``summary.json``. Neither writing nor reading holds all images in memory.
"""

import csv
import json
import logging
import time
from collections.abc import Generator, Mapping
from contextlib import ExitStack, closing, suppress
from dataclasses import replace
from functools import cache, cached_property
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Protocol

from kedro_datasets._typing import ImagePreview

from lexipix.datasets.base import FolderDataset
from lexipix.datasets.image_array import preview_images
from lexipix.utils.errors import LexipixError
from lexipix.utils.progress import track
from lexipix.utils.types import SPLITS, ImageSplits, Reject, SourceImage, Split

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    import pyarrow as pa

_log = logging.getLogger(__name__)

_IMAGES, _CAPTIONS = "images.npy", "captions.parquet"
_REJECTS, _SUMMARY = "rejects.csv", "summary.json"
# Captions in a row group of Parquet.
_CHUNK_ROWS = 4096


class Stream(Protocol):
    """What can be saved: images and rejects, and at the end their summary."""

    n_pictures: int | None

    def __iter__(self) -> Generator[SourceImage | Reject | dict[str, Any], None, None]: ...


class ImageStoreDataset(FolderDataset[Any]):
    """Saves a stream of images, rejects and, last, their summary; loads `ImageSplits`.

    The store is written to a temporary folder and renamed when it is complete: a full disk, Ctrl-C or an
    error in the source leave the old store as it was.

    Args:
        filepath: The store's folder.
        made_by: The command that makes it, for error messages.
        metadata: For plugins.
    """

    def _write(self, path: Path, data: Stream) -> None:
        started = time.perf_counter()
        summary: Mapping[str, Any] | None = None
        with ExitStack() as stack:
            splits = {name: stack.enter_context(closing(_SplitWriter(path / name))) for name in SPLITS}
            file = stack.enter_context((path / _REJECTS).open("w", encoding="utf-8", newline=""))
            rejects = csv.writer(file, lineterminator="\n")
            rejects.writerow(["file", "reason"])
            # A source's threads end when its generator is closed.
            items = stack.enter_context(closing(data.__iter__()))
            for item in track(items, data.n_pictures, "Ingesting"):
                if isinstance(item, SourceImage):
                    assert item.split is not None
                    splits[item.split].add(item)
                elif isinstance(item, Reject):
                    rejects.writerow([item.file, item.reason])
                else:
                    summary = item
            shape = next((writer.shape for writer in splits.values() if writer.shape), (1, 1, 3))
            for writer in splits.values():
                writer.finish(shape)
        if summary is None:
            raise ValueError("A stream of images must end with its summary.")
        text = json.dumps(summary, indent=2, ensure_ascii=False)
        (path / _SUMMARY).write_text(text + "\n", encoding="utf-8")
        self._log_summary(summary, time.perf_counter() - started)

    def _log_summary(self, summary: Mapping[str, Any], seconds: float) -> None:
        counts = {name: summary[f"n_{name}"] for name in SPLITS}
        n_read = sum(counts.values()) + summary["rejected"]
        _log.info(
            "Ingested %s images (%s; %s rejected) in %.1f s, %s images/s, into %s",
            f"{sum(counts.values()):,}",
            ", ".join(f"{name} {count:,}" for name, count in counts.items()),
            f"{summary['rejected']:,}",
            seconds,
            f"{n_read / max(seconds, 1e-9):,.0f}",
            self.path,
        )

    def _read(self, path: Path) -> ImageSplits:
        import pandas as pd

        try:
            summary = json.loads((path / _SUMMARY).read_text(encoding="utf-8"))
            rejects = pd.read_csv(path / _REJECTS, dtype=str, keep_default_na=False)
            splits = {name: StoredSplit(path / name) for name in SPLITS}
        except (OSError, ValueError) as error:
            raise LexipixError(
                f"The image store {path} is damaged or incomplete ({error}): delete it and run "
                f"`{self.made_by or 'kedro run --pipelines ingestion'}` again."
            ) from error
        return ImageSplits(**splits, summary=summary, rejects=rejects)

    def _exists(self) -> bool:
        return (self.path / _SUMMARY).is_file()

    def preview(self) -> ImagePreview:
        """The first training images, for Kedro-Viz."""
        return preview_images(self.load().train.images)


class StoredSplit(Split):
    """A split whose images stay on disk and whose captions are read at their first use.

    Args:
        folder: The split's folder.

    Raises:
        ValueError: The images are not uint8 (N, H, W, 3), or the number of captions differs.
    """

    _folder: Path

    def __init__(self, folder: Path) -> None:
        import pyarrow.parquet as pq

        images = _open_images(folder / _IMAGES)
        n_captions = pq.read_metadata(folder / _CAPTIONS).num_rows
        if n_captions != len(images):
            raise ValueError(f"{folder.name} holds {len(images)} images and {n_captions} captions")
        object.__setattr__(self, "images", images)
        object.__setattr__(self, "_folder", folder)

    @cached_property
    def captions(self) -> "pd.DataFrame":
        """Table of captions; see `Split`."""
        import pyarrow.parquet as pq

        table = pq.read_table(self._folder / _CAPTIONS).to_pandas()
        table["paraphrases"] = [list(texts) for texts in table["paraphrases"]]
        return table  # type: ignore[no-any-return]


class _SplitWriter:
    """Writes one split: images one by one, captions in row groups."""

    def __init__(self, folder: Path) -> None:
        import pyarrow.parquet as pq

        folder.mkdir()
        self._images = (folder / _IMAGES).open("wb", buffering=2**20)
        self._captions_file = (folder / _CAPTIONS).open("wb")
        self._captions = pq.ParquetWriter(self._captions_file, _schema(), compression="zstd")
        self._rows: list[SourceImage] = []
        self.n_images = 0
        self.shape: tuple[int, ...] | None = None

    def add(self, picture: SourceImage) -> None:
        assert picture.image is not None
        if self.shape is None:
            self.shape = picture.image.shape
            _write_header(self._images, (0, *self.shape))
        if picture.image.shape != self.shape:
            raise ValueError(
                f"{picture.file} has the shape {picture.image.shape}, the other images {self.shape}"
            )
        self._images.write(picture.image.tobytes())
        self.n_images += 1
        self._rows.append(replace(picture, image=None))
        if len(self._rows) >= _CHUNK_ROWS:
            self._write_rows()

    def finish(self, shape: tuple[int, ...]) -> None:
        """Complete the files; an empty split takes the ``shape`` of the other splits' images."""
        self._write_rows()
        self._captions.close()
        self._captions_file.close()
        # NumPy's header has room for any number of images, so it can be overwritten.
        self._images.seek(0)
        _write_header(self._images, (self.n_images, *(self.shape or shape)))
        self._images.close()

    def close(self) -> None:
        """Close the files, finished or not."""
        for file in (self._captions, self._captions_file, self._images):
            with suppress(OSError, ValueError):  # a full disk was reported before
                file.close()

    def _write_rows(self) -> None:
        import pyarrow as pa

        columns: dict[str, list[Any]] = {name: [] for name in _schema().names}
        for row in self._rows:
            columns["caption_source"].append(row.caption_source if row.caption is not None else None)
            columns["paraphrases"].append(row.paraphrases)
            for name in ("file", "caption", "label", "digest", "withheld_caption"):
                columns[name].append(getattr(row, name))
        self._captions.write_table(pa.table(columns, schema=_schema()))
        self._rows.clear()


@cache
def _schema() -> "pa.Schema":
    import pyarrow as pa

    text = pa.string()
    return pa.schema(
        {
            "file": text,
            "caption": text,
            "caption_source": text,
            "paraphrases": pa.list_(text),
            "label": text,
            "digest": text,
            "withheld_caption": text,
        }
    )


def _write_header(file: IO[bytes], shape: tuple[int, ...]) -> None:
    import numpy as np

    header = {"descr": "|u1", "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(file, header)


def _open_images(path: Path) -> "np.ndarray":
    import numpy as np

    images = np.load(path, mmap_mode="r", allow_pickle=False)
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[-1] != 3:
        raise ValueError(f"{path.name} holds {images.dtype} {images.shape} instead of uint8 (N, H, W, 3)")
    return images  # type: ignore[no-any-return]
