"""The list of an image store's shards, ``shards.json``, which is written last."""

import hashlib
from pathlib import Path
from typing import Annotated, ClassVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from lexipix.utils.types import SPLITS, SplitName

MANIFEST = "shards.json"
FIRST_IMAGES = "*/images-*.npy"  # files of images in shards

Count = Annotated[int, Field(ge=1)]


class _Entry(BaseModel):
    model_config: ClassVar[ConfigDict] = ConfigDict(extra="forbid", frozen=True)


class ShardFile(_Entry):
    """A file of a shard."""

    name: str = Field(pattern=r"^(train|val|test|pairs)/(images-\d{5,9}\.npy|captions-\d{5,9}\.parquet)$")
    bytes: Count
    sha256: str = Field(pattern="^[0-9a-f]{64}$")


class Shard(_Entry):
    """Images of a split, with their captions."""

    rows: Count
    images: ShardFile
    captions: ShardFile


class Manifest(_Entry):
    """All shards of a store, in the order of their images."""

    image_shape: tuple[Count, Count, Annotated[int, Field(ge=3, le=4)]]
    splits: dict[SplitName, tuple[Shard, ...]]

    @model_validator(mode="after")
    def _whole(self) -> "Manifest":
        if set(self.splits) != set(SPLITS):
            raise ValueError(f"its splits are {', '.join(self.splits)} instead of {', '.join(SPLITS)}")
        for shard in (shard for shards in self.splits.values() for shard in shards):
            if self.header_bytes(shard) not in (64, 128, 192):  # NumPy's
                found = f"{shard.images.bytes:,} bytes for {shard.rows:,} images of {self.image_shape}"
                raise ValueError(f"{shard.images.name} has {found}")
        return self

    def header_bytes(self, shard: Shard) -> int:
        """Where the first image begins in a shard's ``.npy`` file."""
        height, width, channels = self.image_shape
        return shard.images.bytes - shard.rows * height * width * channels

    def files(self) -> dict[str, int]:
        """Names of all files with their bytes."""
        shards = [shard for split in self.splits.values() for shard in split]
        return {file.name: file.bytes for shard in shards for file in (shard.images, shard.captions)}


def shard_names(split: SplitName, number: int) -> tuple[str, str]:
    """Names of the images and the captions of a shard.

    >>> shard_names("train", 7)
    ('train/images-00007.npy', 'train/captions-00007.parquet')
    """
    return f"{split}/images-{number:05}.npy", f"{split}/captions-{number:05}.parquet"


def describe_shard(folder: Path, split: SplitName, number: int, rows: int) -> Shard:
    """The entry of a shard whose files are complete."""
    images, captions = (_describe(folder, name) for name in shard_names(split, number))
    return Shard(rows=rows, images=images, captions=captions)


def _describe(folder: Path, name: str) -> ShardFile:
    with (folder / name).open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return ShardFile(name=name, bytes=(folder / name).stat().st_size, sha256=digest)


def parse_manifest(text: bytes) -> Manifest:
    """The content of ``shards.json``; ValueError in one sentence if it is damaged."""
    try:
        return Manifest.model_validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise ValueError(f"{MANIFEST}: {f'{place}: ' if place else ''}{first['msg']}") from None
