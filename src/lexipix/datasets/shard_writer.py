"""Writes the images of a source in shards, one or none of each split for every part of the source.

A part is a number of images that follow each other in the source, so that parts can be written in any order.
Copies of images are found when all parts are there: only shards that hold some are written again.
"""

import shutil
from collections import Counter, defaultdict
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeVar

from lexipix.datasets.digest_buckets import recurring
from lexipix.datasets.part_items import ItemWriter, read_digests, read_items
from lexipix.datasets.shards import Manifest, Shard, describe_shard, shard_names
from lexipix.datasets.split_files import SplitWriter, with_captions, write_captions, write_images
from lexipix.utils.atomic import replace_file
from lexipix.utils.progress import Progress
from lexipix.utils.types import SPLITS, Duplicate, Reject, SourceImage, SplitName

_LEFTOVERS = ".*.part.*"  # temporary names of `replace_file`
_ITEMS = ".items"  # folder of what is known about the items of each part, until copies are found

Result = TypeVar("Result")
Place = tuple[SplitName, int]  # split and part of a shard


class DuplicateResolver(Protocol):
    """Decides about items in the order of the source: that of :mod:`lexipix.data.ingestion.stream`."""

    def add(self, item: SourceImage | Reject, recurs: bool) -> SourceImage | Reject: ...

    def summary(self) -> dict[str, Any]: ...


class PartEngine(Protocol):
    """What the parts are written on: an engine of :mod:`lexipix.engines`."""

    def map(
        self, function: Callable[..., Result], parts: Sequence[Any], *arguments: Any
    ) -> Iterator[Result]: ...


class PartStream(Protocol):
    """A source in parts, and what they are written on; it can cross to another process."""

    @property
    def engine(self) -> PartEngine: ...

    @property
    def part_sizes(self) -> list[int]: ...

    def part(self, number: int) -> Generator[SourceImage | Reject, None, None]: ...

    def duplicate_resolver(self) -> DuplicateResolver: ...


@dataclass
class _Changes:
    """What copies change in a shard."""

    dropped: list[int] = field(default_factory=list)  # rows
    further: dict[str, list[str]] = field(default_factory=dict)  # captions by digest


def write_shards(
    folder: Path, stream: PartStream, on_reject: Callable[[Reject], None]
) -> tuple[dict[str, Any], Manifest]:
    """Write all shards into an empty folder; return summary and manifest, which is not written yet."""
    items, shards, sizes = folder / _ITEMS, dict[Place, Shard](), stream.part_sizes
    items.mkdir()
    for split in SPLITS:
        (folder / split).mkdir()
    with Progress("Ingesting", sum(sizes)) as progress:
        for number, written in enumerate(stream.engine.map(write_part, range(len(sizes)), folder, stream)):
            shards |= {(split, number): shard for split, shard in written.items()}
            progress.advance(sizes[number])
    changes, summary = _resolve_duplicates(items, len(sizes), stream.duplicate_resolver(), on_reject)
    for place, change in changes.items():  # not on the engine: done twice, it would drop other rows
        if (shard := _rewrite(folder, place, shards.pop(place), change)) is not None:
            shards[place] = shard
    shutil.rmtree(items)
    for leftover in folder.rglob(_LEFTOVERS):  # of workers that were killed; others did their parts
        leftover.unlink()
    by_split = {
        split: tuple(shard for (own, _), shard in sorted(shards.items()) if own == split) for split in SPLITS
    }
    return summary, Manifest(image_shape=_image_shape(folder, shards.values()), splits=by_split)


def write_part(number: int, folder: Path, stream: PartStream) -> dict[SplitName, Shard]:
    """Write the shards of one part of the source, copies included, and what is known about its items.

    Files have temporary names until all of them are complete.
    """
    writers: dict[SplitName, SplitWriter] = {}
    with ExitStack() as stack:
        items_file = stack.enter_context(replace_file(_items_file(folder / _ITEMS, number)))
        known = stack.enter_context(ItemWriter(items_file))
        for item in stack.enter_context(closing(stream.part(number))):
            known.add(item)
            if isinstance(item, SourceImage):
                assert item.split is not None
                if item.split not in writers:
                    images, captions = (
                        stack.enter_context(replace_file(folder / name))
                        for name in shard_names(item.split, number)
                    )
                    writers[item.split] = SplitWriter(images, captions, stack)
                writers[item.split].add(item)
        for writer in writers.values():
            writer.finish(writer.shape or ())
    return {
        split: describe_shard(folder, split, number, writer.n_images) for split, writer in writers.items()
    }


def _resolve_duplicates(
    items: Path, n_parts: int, resolver: DuplicateResolver, on_reject: Callable[[Reject], None]
) -> tuple[Mapping[Place, _Changes], dict[str, Any]]:
    """What copies change in which shards, and the summary."""
    changes, homes = defaultdict[Place, _Changes](_Changes), dict[str, Place]()
    files = [_items_file(items, number) for number in range(n_parts)]
    followed = recurring(map(read_digests, files), items)
    n_images = 0
    for number, file in enumerate(files):
        rows = Counter[SplitName]()
        for item in read_items(file):
            if isinstance(item, Reject):
                on_reject(resolver.add(item, recurs=False))  # type: ignore[arg-type]
                continue
            assert item.split is not None and item.digest is not None
            place, row = (item.split, number), rows[item.split]
            index = followed.searchsorted(n_images)
            recurs = bool(index < len(followed) and followed[index] == n_images)
            rows[item.split] += 1
            n_images += 1
            result = resolver.add(item, recurs)
            if isinstance(result, Reject):
                on_reject(result)
                changes[place].dropped.append(row)
                if isinstance(result, Duplicate) and result.texts:
                    further = changes[homes[item.digest]].further
                    further.setdefault(item.digest, []).extend(result.texts)
            elif recurs:
                homes[item.digest] = place
            if not recurs:
                homes.pop(item.digest, None)
    return changes, resolver.summary()


def _rewrite(folder: Path, place: Place, shard: Shard, change: _Changes) -> Shard | None:
    """Write a shard without the dropped rows and with further captions; None if no row is left."""
    import numpy as np
    import pyarrow.parquet as pq

    images, captions = (folder / name for name in shard_names(*place))
    rows = np.delete(np.arange(shard.rows), change.dropped)
    if not len(rows):
        images.unlink()
        captions.unlink()
        return None
    if change.dropped:
        with replace_file(images) as temporary:
            write_images(temporary, np.load(images, mmap_mode="r", allow_pickle=False), rows)
    with replace_file(captions) as temporary:
        table = pq.read_table(captions).take(rows)
        write_captions(temporary, with_captions(table, change.further) if change.further else table)
    return describe_shard(folder, *place, len(rows))


def _image_shape(folder: Path, shards: Iterable[Shard]) -> tuple[int, int, int]:
    import numpy as np

    first = next(iter(shards))
    height, width, channels = np.load(folder / first.images.name, mmap_mode="r", allow_pickle=False).shape[1:]
    return int(height), int(width), int(channels)


def _items_file(items: Path, number: int) -> Path:
    return items / f"{number:05}.parquet"
