"""The ingested images on disk: neither writing nor reading holds all of them in memory.

The folder holds ``{train,val,test,pairs}/images.npy`` and ``captions.parquet``, ``rejects.csv`` (cells that a
spreadsheet would take for formulas start with a quotation mark) and ``summary.json``. With
``ingestion.shard_rows`` it holds ``images-00000.npy``, ``captions-00000.parquet`` and so on, and, written
last, ``shards.json``.
"""

import csv
import hashlib
import io
import json
import logging
import shutil
from collections.abc import Callable, Mapping
from contextlib import ExitStack, closing
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

from fsspec import AbstractFileSystem
from fsspec.core import url_to_fs
from fsspec.implementations.local import LocalFileSystem
from kedro.io import AbstractDataset

from lexipix.datasets.base import FolderDataset
from lexipix.datasets.files import read_array
from lexipix.datasets.previews import ImagePreview, preview_images
from lexipix.datasets.shard_reader import is_sharded, read_shards
from lexipix.datasets.shard_writer import write_shards
from lexipix.datasets.shards import MANIFEST
from lexipix.datasets.split_files import SplitWriter, with_captions, write_captions
from lexipix.utils.errors import LexipixError, reason
from lexipix.utils.progress import track
from lexipix.utils.types import SPLITS, Duplicate, ImageSplits, Reject, SourceImage, Split

_log = logging.getLogger(__name__)

_IMAGES, _CAPTIONS = "images.npy", "captions.parquet"
_REJECTS, _SUMMARY = "rejects.csv", "summary.json"


class ImageStoreDataset(FolderDataset[Any]):
    """Saves an iterable of `SourceImage`, `Reject` and, last, their summary; loads `ImageSplits`."""

    required = (_SUMMARY,)

    def _write(self, path: Path, data: Any) -> None:
        manifest = None
        with (path / _REJECTS).open("w", encoding="utf-8", newline="") as file:
            rejects = csv.writer(file, lineterminator="\n")
            rejects.writerow(["file", "reason"])

            def on_reject(item: Reject) -> None:
                rejects.writerow([_no_formula(item.file), _no_formula(item.reason)])

            if data.shard_rows is None:
                summary = _write_splits(path, data, on_reject)
            else:
                summary, manifest = write_shards(path, data, on_reject)
        text = json.dumps(summary, indent=2, ensure_ascii=False)
        (path / _SUMMARY).write_text(text + "\n", encoding="utf-8")
        if manifest is not None:
            (path / MANIFEST).write_text(manifest.model_dump_json(indent=2) + "\n", encoding="utf-8")
        counts = {name: summary[f"n_{name}"] for name in SPLITS}
        listed = ", ".join(f"{name} {count:,}" for name, count in counts.items())
        n_images, n_rejected = sum(counts.values()), summary["rejected"]
        captions = _captions_of(n_images, summary)
        _log.info(
            f"Ingested {n_images:,} images ({listed}; {n_rejected:,} rejected; {captions}) into {self.path}"
        )

    def _read(self, path: Path) -> ImageSplits:
        root = path.absolute().as_posix()
        return _read_store(LocalFileSystem(), root, root)

    def preview(self) -> ImagePreview:
        """The first training images, for Kedro-Viz."""
        return preview_images(self.load().train.images)


class RemoteImageStoreDataset(AbstractDataset[Any, ImageSplits]):
    """A store in shards on another machine, such as ``s3://bucket/images``, that is read by ranges of bytes.

    fsspec reads and writes the address; credentials come from the environment. The ingestion writes to the
    local folder ``staging``, which its workers share, and moves the files from there, ``shards.json`` last.
    """

    def __init__(
        self,
        *,
        filepath: str,
        staging: str | None = None,
        made_by: str = "kedro run --pipelines ingestion",
        metadata: dict[str, Any] | None = None,
    ) -> None:
        self.path, self.made_by, self.metadata = filepath, made_by, metadata
        self.staging = Path(staging) if staging else None

    def load(self) -> ImageSplits:
        try:
            return _read_store(*_place_of(self.path), self.path)
        except LexipixError:
            raise
        except Exception as error:  # each kind of storage raises its own
            raise LexipixError(
                f"The images at {self.path} cannot be read ({reason(error)}): check address and "
                f"credentials, or run `{self.made_by}` with ingestion.shard_rows set."
            ) from error

    def save(self, data: Any) -> None:
        if self.staging is None:
            raise LexipixError(
                f"The images at {self.path} are written to a local folder first, but the catalog names none: "
                "set staging of image_splits, for example to data/03_primary/images."
            )
        if data.shard_rows is None:
            raise LexipixError(
                f"ingestion.shard_rows = null, but the images at {self.path} must be in shards: set it, for "
                "example to 65536."
            )
        ImageStoreDataset(filepath=str(self.staging)).save(data)
        try:
            self._upload(self.staging)
        except Exception as error:  # each kind of storage raises its own
            raise LexipixError(
                f"The images cannot be written to {self.path} ({reason(error)}): check address, "
                f"credentials and room. The complete store is in {self.staging}: copy it there, or run "
                "the ingestion again."
            ) from error
        shutil.rmtree(self.staging)

    def _upload(self, folder: Path) -> None:
        fs, root = _place_of(self.path)
        names = [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()]
        names.sort(key=lambda name: (name == MANIFEST, name))
        before = set(fs.find(root)) if fs.exists(root) else set()
        if f"{root}/{MANIFEST}" in before:
            fs.rm_file(f"{root}/{MANIFEST}")
        for name in track(names, len(names), "Uploading"):
            fs.makedirs(f"{root}/{name}".rpartition("/")[0], exist_ok=True)
            fs.put_file(str(folder / name), f"{root}/{name}")
        for stale in before - {f"{root}/{name}" for name in names}:
            fs.rm_file(stale)
        _log.info(f"Moved {len(names):,} files of the images to {self.path}")

    def _exists(self) -> bool:
        fs, root = _place_of(self.path)
        return bool(fs.exists(f"{root}/{MANIFEST}"))

    def _describe(self) -> dict[str, Any]:
        return {"filepath": self.path}


@lru_cache(maxsize=1)  # one worker reads many parts of a store
def reopen_store(address: str, digest: str) -> ImageSplits:
    """The store at an address that was loaded before, in another process.

    By the ``digest`` of its summary and manifest a worker knows it from one that was there before.
    """
    return _read_store(*_place_of(address), address)


def _place_of(address: str) -> tuple[AbstractFileSystem, str]:
    """The file system of an address, as it is now, and the path there."""
    fs, root = url_to_fs(address)
    fs.invalidate_cache()
    return fs, root.rstrip("/")


def _read_store(fs: AbstractFileSystem, root: str, address: str) -> ImageSplits:
    import pandas as pd

    is_whole = isinstance(fs, LocalFileSystem) and not is_sharded(fs, root)
    splits = {name: _read_split(Path(root, name)) for name in SPLITS} if is_whole else read_shards(fs, root)
    content = fs.cat_file(f"{root}/{_SUMMARY}")
    digest = hashlib.sha256(content if is_whole else content + fs.cat_file(f"{root}/{MANIFEST}")).hexdigest()
    rejects = pd.read_csv(io.BytesIO(fs.cat_file(f"{root}/{_REJECTS}")), dtype=str, keep_default_na=False)
    train, val, test, pairs = (splits[name] for name in SPLITS)
    reopen = partial(reopen_store, address, digest)
    return ImageSplits(train, val, test, pairs, json.loads(content), rejects, reopen)


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


def _write_splits(path: Path, data: Any, on_reject: Callable[[Reject], None]) -> Mapping[str, Any]:
    """Write one file of images and one of captions for each split; return the summary."""
    import pyarrow.parquet as pq

    summary: Mapping[str, Any] = {}
    further: dict[str, list[str]] = {}  # captions of copies, by the digest of the image
    for name in SPLITS:
        (path / name).mkdir()
    with ExitStack() as stack:
        splits = {name: SplitWriter(path / name / _IMAGES, path / name / _CAPTIONS, stack) for name in SPLITS}
        # A source's threads end when its generator is closed.
        items = stack.enter_context(closing(data.__iter__()))
        for item in track(items, data.n_images, "Ingesting"):
            if isinstance(item, SourceImage):
                assert item.split is not None
                splits[item.split].add(item)
            elif isinstance(item, Reject):
                on_reject(item)
                if isinstance(item, Duplicate) and item.texts:
                    further.setdefault(item.digest, []).extend(item.texts)
            else:
                summary = item
        shape = next((writer.shape for writer in splits.values() if writer.shape), (1, 1, 3))
        for writer in splits.values():
            writer.finish(shape)
    for file in (path / name / _CAPTIONS for name in SPLITS if further):
        write_captions(file, with_captions(pq.read_table(file), further))
    return summary


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
