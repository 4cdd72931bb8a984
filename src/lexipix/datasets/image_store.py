"""The ingested images on disk: neither writing nor reading holds all of them in memory.

The folder holds ``{train,val,test,pairs}/images.npy`` and ``captions.parquet``, ``rejects.csv`` (cells that a
spreadsheet would take for formulas start with a quotation mark) and ``summary.json``.
"""

import csv
import json
import logging
from collections.abc import Mapping
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

from lexipix.datasets.base import FolderDataset
from lexipix.datasets.files import read_array
from lexipix.datasets.previews import ImagePreview, preview_images
from lexipix.utils.progress import track
from lexipix.utils.types import SPLITS, Duplicate, ImageSplits, Reject, SourceImage, Split

_log = logging.getLogger(__name__)

_IMAGES, _CAPTIONS = "images.npy", "captions.parquet"
_REJECTS, _SUMMARY = "rejects.csv", "summary.json"
_COLUMNS = ("file", "caption", "caption_source", "paraphrases", "label", "digest", "withheld_caption")
_CHUNK_ROWS = 4096  # captions in a row group of Parquet


class ImageStoreDataset(FolderDataset[Any]):
    """Saves an iterable of `SourceImage`, `Reject` and, last, their summary; loads `ImageSplits`."""

    required = (_SUMMARY,)

    def _write(self, path: Path, data: Any) -> None:
        summary: Mapping[str, Any] = {}
        further: dict[str, list[str]] = {}  # captions of copies, by the digest of the image
        with ExitStack() as stack:
            splits = {name: _SplitWriter(path / name, stack) for name in SPLITS}
            file = stack.enter_context((path / _REJECTS).open("w", encoding="utf-8", newline=""))
            rejects = csv.writer(file, lineterminator="\n")
            rejects.writerow(["file", "reason"])
            # A source's threads end when its generator is closed.
            items = stack.enter_context(closing(data.__iter__()))
            for item in track(items, data.n_images, "Ingesting"):
                if isinstance(item, SourceImage):
                    assert item.split is not None
                    splits[item.split].add(item)
                elif isinstance(item, Reject):
                    rejects.writerow([_no_formula(item.file), _no_formula(item.reason)])
                    if isinstance(item, Duplicate) and item.texts:
                        further.setdefault(item.digest, []).extend(item.texts)
                else:
                    summary = item
            shape = next((writer.shape for writer in splits.values() if writer.shape), (1, 1, 3))
            for writer in splits.values():
                writer.finish(shape)
        if further:
            for name in SPLITS:
                _add_captions(path / name / _CAPTIONS, further)
        text = json.dumps(summary, indent=2, ensure_ascii=False)
        (path / _SUMMARY).write_text(text + "\n", encoding="utf-8")
        counts = {name: summary[f"n_{name}"] for name in SPLITS}
        listed = ", ".join(f"{name} {count:,}" for name, count in counts.items())
        n_images, n_rejected = sum(counts.values()), summary["rejected"]
        captions = _captions_of(n_images, summary)
        _log.info(
            f"Ingested {n_images:,} images ({listed}; {n_rejected:,} rejected; {captions}) into {self.path}"
        )

    def _read(self, path: Path) -> ImageSplits:
        import pandas as pd

        summary = json.loads((path / _SUMMARY).read_text(encoding="utf-8"))
        rejects = pd.read_csv(path / _REJECTS, dtype=str, keep_default_na=False)
        splits = {name: _read_split(path / name) for name in SPLITS}
        return ImageSplits(**splits, summary=summary, rejects=rejects)

    def preview(self) -> ImagePreview:
        """The first training images, for Kedro-Viz."""
        return preview_images(self.load().train.images)


def _no_formula(cell: str) -> str:
    """The cell as spreadsheets show it: with a quotation mark before what they would take for a formula."""
    return f"'{cell}" if cell.startswith(("=", "+", "-", "@", "\t", "\r")) else cell


def _captions_of(n_images: int, summary: Mapping[str, Any]) -> str:
    """Where the captions come from."""
    n_classes, n_described, n_without = (
        summary.get(key, 0) for key in ("class_captions", "described", "uncaptioned")
    )
    source = "files" if summary.get("source") == "folder" else "the source"
    counts = {
        f"captions from {source}": n_images - n_classes - n_described - n_without,
        "captions from folder names": n_classes,
        "captions from ingestion.captioner": n_described,
        "images without a caption": n_without,
    }
    return ", ".join(f"{count:,} {what}" for what, count in counts.items() if count)


def _read_split(folder: Path) -> Split:
    import pyarrow.parquet as pq

    images = read_array(folder / _IMAGES)
    if images.dtype != "uint8" or images.ndim != 4 or images.shape[-1] not in (3, 4):
        raise ValueError(f"{_IMAGES} holds {images.dtype} {images.shape} instead of uint8 (N, H, W, 3 or 4)")
    captions = pq.read_table(folder / _CAPTIONS).to_pandas()
    if len(captions) != len(images):
        raise ValueError(f"{folder.name} holds {len(images)} images and {len(captions)} captions")
    captions["paraphrases"] = [list(texts) for texts in captions["paraphrases"]]
    return Split(images, captions)


def _add_captions(path: Path, further: Mapping[str, list[str]]) -> None:
    """Give images the captions of their copies, which were read after they had been written."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pq.read_table(path)
    rows = table.to_pylist()
    for row in rows:
        texts = further.get(row["digest"], [])
        if texts and (row["caption"] is None or row["caption_source"] == "generated"):
            row |= {"caption": texts[0], "caption_source": "given"}
            texts = texts[1:]
        row["paraphrases"] = [*row["paraphrases"], *texts]
    changed = pa.Table.from_pylist(rows, schema=table.schema)
    pq.write_table(changed, path, compression="zstd", row_group_size=_CHUNK_ROWS)


class _SplitWriter:
    """Writes one split: images one by one, captions in row groups; the stack closes its files."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        folder.mkdir()
        kinds = dict.fromkeys(_COLUMNS, pa.string()) | {"paraphrases": pa.list_(pa.string())}
        self._schema = pa.schema(kinds)
        self._images = stack.enter_context((folder / _IMAGES).open("wb", buffering=2**20))
        captions = stack.enter_context((folder / _CAPTIONS).open("wb"))
        self._captions = stack.enter_context(pq.ParquetWriter(captions, self._schema, compression="zstd"))
        self._rows: list[dict[str, Any]] = []
        self.n_images = 0
        self.shape: tuple[int, ...] | None = None

    def add(self, image: SourceImage) -> None:
        if self.shape is None:
            self.shape = image.image.shape
            self._write_header(self.shape)
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
        self._write_header(self.shape or shape)

    def _write_rows(self) -> None:
        import pyarrow as pa

        self._captions.write_table(pa.Table.from_pylist(self._rows, schema=self._schema))
        self._rows.clear()

    def _write_header(self, shape: tuple[int, ...]) -> None:
        import numpy as np

        header = {"descr": "|u1", "fortran_order": False, "shape": (self.n_images, *shape)}
        np.lib.format.write_array_header_1_0(self._images, header)
