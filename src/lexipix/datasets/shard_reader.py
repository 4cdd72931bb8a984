"""Reads an image store in shards: memory-mapped from a local disk, by ranges of bytes from elsewhere."""

from collections.abc import Callable, Iterator, Sequence
from fnmatch import fnmatch
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any

from fsspec import AbstractFileSystem
from fsspec.implementations.local import LocalFileSystem

from lexipix.datasets.shards import FIRST_IMAGES, MANIFEST, Manifest, Shard, parse_manifest
from lexipix.datasets.split_files import captions_schema
from lexipix.utils.errors import LexipixError
from lexipix.utils.types import Split, SplitName

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

# Shards of a store that are memory-mapped at a time: each keeps a file open, and systems allow 256 or more
MAX_OPEN = 128
_FILES_AT_ONCE = 64  # of captions, read together


class ShardedImages:
    """Images of all shards of a split, one after the other, uint8 (N, H, W, C); read on access.

    It is indexed as the first axis of an array is: by a number, a slice, or an array of numbers or booleans.
    Another process gets the list of the shards, and opens the files itself. The splits of a store share
    ``open_shard``.
    """

    ndim = 4

    def __init__(
        self,
        fs: AbstractFileSystem,
        root: str,
        split: SplitName,
        manifest: Manifest,
        open_shard: "Callable[[Shard], np.ndarray] | None" = None,
    ) -> None:
        import numpy as np

        shards = manifest.splits[split]
        self.dtype = np.dtype(np.uint8)
        self.shard_ends = np.cumsum([shard.rows for shard in shards], dtype=np.int64)
        self.shape = (int(self.shard_ends[-1]) if shards else 0, *manifest.image_shape)
        self._fs, self._root, self._split, self._manifest = fs, root, split, manifest
        self._shards, self._open = shards, open_shard or shard_opener(root, manifest)

    def __reduce__(self) -> tuple[type["ShardedImages"], tuple[Any, ...]]:
        return ShardedImages, (self._fs, self._root, self._split, self._manifest)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: Any, /) -> "NDArray[np.uint8]":
        import numpy as np

        if isinstance(rows, slice):
            rows = np.arange(*rows.indices(len(self)))
        wanted = np.asarray(rows)
        if wanted.dtype == np.bool_:
            wanted = np.flatnonzero(wanted)
        flat = wanted.ravel().astype(np.int64)
        flat[flat < 0] += len(self)
        if len(flat) and not 0 <= flat.min() <= flat.max() < len(self):
            raise IndexError(f"there are {len(self):,} images, and no image {rows}")
        owners = np.searchsorted(self.shard_ends, flat, side="right")
        starts = self.shard_ends - [shard.rows for shard in self._shards]
        images = np.empty((len(flat), *self.shape[1:]), np.uint8)
        if isinstance(self._fs, LocalFileSystem):
            for number in np.unique(owners):
                own = owners == number
                images[own] = self._open(self._shards[number])[flat[own] - starts[number]]
        elif len(flat):
            images[:] = self._fetch(flat)
        return images.reshape(*wanted.shape, *self.shape[1:])

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> "NDArray[Any]":
        if copy is False:
            raise ValueError("images in shards are read from files, which copies them")
        return self[:].astype(dtype or self.dtype, copy=False)

    def _fetch(self, rows: "NDArray[np.int64]") -> "NDArray[np.uint8]":
        """Images of another machine; those that follow each other in a file are one range."""
        import numpy as np

        unique, inverse = np.unique(rows, return_inverse=True)
        owners = np.searchsorted(self.shard_ends, unique, side="right")
        breaks = np.flatnonzero((np.diff(unique) > 1) | (np.diff(owners) > 0)) + 1
        firsts, lasts = unique[[0, *breaks]], unique[[*(breaks - 1), len(unique) - 1]]
        paths, begins, finishes = [], [], []
        for first, last, number in zip(firsts, lasts, owners[[0, *breaks]], strict=True):
            shard = self._shards[number]
            start, size = self.shard_ends[number] - shard.rows, int(np.prod(self.shape[1:]))
            header = self._manifest.header_bytes(shard)
            paths.append(f"{self._root}/{shard.images.name}")
            begins.append(int(header + (first - start) * size))
            finishes.append(int(header + (last + 1 - start) * size))
        try:
            parts = self._fs.cat_ranges(paths, begins, finishes, on_error="raise")
            images = np.frombuffer(b"".join(parts), np.uint8).reshape(len(unique), *self.shape[1:])
        except (OSError, ValueError) as error:
            raise _damaged(f"{self._root}/{MANIFEST}", error) from error
        return images[inverse]


def shard_opener(root: str, manifest: Manifest) -> "Callable[[Shard], np.ndarray]":
    """What memory-maps the images of a shard on a local disk; the last ``MAX_OPEN`` stay open."""
    return lru_cache(MAX_OPEN)(partial(_map_shard, root, manifest.image_shape))


def _map_shard(root: str, image_shape: tuple[int, ...], shard: Shard) -> "np.ndarray":
    import numpy as np

    path, shape = f"{root}/{shard.images.name}", (shard.rows, *image_shape)
    try:
        images: np.ndarray = np.load(path, mmap_mode="r", allow_pickle=False)
        if (images.dtype, images.shape) != (np.dtype(np.uint8), shape):
            raise ValueError(f"it holds {images.dtype} {images.shape} instead of uint8 {shape}")
    except (OSError, ValueError) as error:
        raise _damaged(path, error) from error
    return images


def read_shards(fs: AbstractFileSystem, root: str) -> dict[SplitName, Split]:
    """The splits of a store in shards; ValueError in one sentence if it is incomplete or damaged."""
    manifest = read_manifest(fs, root)
    open_shard = shard_opener(root, manifest)
    return {
        split: Split(ShardedImages(fs, root, split, manifest, open_shard), _read_captions(fs, root, shards))
        for split, shards in manifest.splits.items()
    }


def read_manifest(fs: AbstractFileSystem, root: str) -> Manifest:
    """``shards.json`` of a store, whose files are all there, with the sizes that it names."""
    try:
        manifest = parse_manifest(fs.cat_file(f"{root}/{MANIFEST}"))
    except FileNotFoundError:
        raise ValueError(f"{MANIFEST} is missing, which is written last") from None
    found = {name: int(info["size"]) for name, info in fs.find(root, detail=True).items()}
    for name, size in manifest.files().items():
        bytes_found = found.get(f"{root}/{name}")
        if bytes_found != size:
            is_there = "is missing" if bytes_found is None else f"has {bytes_found:,} bytes"
            raise ValueError(f"{name} {is_there}, {MANIFEST} says {size:,} bytes")
    return manifest


def is_sharded(fs: AbstractFileSystem, root: str) -> bool:
    """Whether a store is in shards, complete or not."""
    if fs.exists(f"{root}/{MANIFEST}"):
        return True
    names = (path.removeprefix(f"{root}/") for path in fs.find(root))  # a glob would read the root as one too
    return any(fnmatch(name, FIRST_IMAGES) for name in names)


def _read_captions(fs: AbstractFileSystem, root: str, shards: Sequence[Shard]) -> "pd.DataFrame":
    import pandas as pd
    import pyarrow as pa
    import pyarrow.parquet as pq

    tables = [captions_schema().empty_table()]
    for shard, content in zip(shards, _contents(fs, root, shards), strict=True):
        table = pq.read_table(pa.BufferReader(content))
        if len(table) != shard.rows:
            raise ValueError(f"{shard.captions.name} holds {len(table)} captions for {shard.rows} images")
        tables.append(table)
    # Lists of Arrow, not of Python, which would need several times the memory
    captions: pd.DataFrame = pa.concat_tables(tables).to_pandas(
        types_mapper=lambda kind: pd.ArrowDtype(kind) if pa.types.is_list(kind) else None
    )
    return captions


def _contents(fs: AbstractFileSystem, root: str, shards: Sequence[Shard]) -> Iterator[bytes]:
    for start in range(0, len(shards), _FILES_AT_ONCE):
        files = [shard.captions for shard in shards[start : start + _FILES_AT_ONCE]]
        paths, sizes = [f"{root}/{file.name}" for file in files], [file.bytes for file in files]
        # Not `cat`, which takes brackets and stars in a path for a pattern
        yield from fs.cat_ranges(paths, [0] * len(paths), sizes, on_error="raise")


def _damaged(path: str, error: Exception) -> LexipixError:
    return LexipixError(
        f"The images at {path} cannot be read ({error}): check the disk or the network, or run the ingestion "
        "again."
    )
