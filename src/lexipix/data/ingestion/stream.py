"""The stream of images from source to store: assigns splits, tidies captions, rejects images."""

import hashlib
import unicodedata
from collections.abc import Callable, Collection, Generator, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any
from uuid import uuid4

import numpy as np

from lexipix.config.ingestion import IngestionParameters, SplitParameters
from lexipix.data.ingestion.captioning import ImageCaptioner, captioned
from lexipix.data.ingestion.duplicates import Deduplicator
from lexipix.data.ingestion.report import IngestReport
from lexipix.engines.base import Engine
from lexipix.engines.local import LOCAL
from lexipix.utils.errors import LexipixError
from lexipix.utils.terminal import DIRECTION_MARKS
from lexipix.utils.types import OpenedSource, Reject, SourceImage, SplitName

# Control characters separate words; marks of a text's direction are left out, as nothing is drawn for them.
_NOT_TEXT = dict.fromkeys([*range(0x20), *range(0x7F, 0xA0)], " ") | dict.fromkeys(
    map(ord, DIRECTION_MARKS), ""
)


@dataclass(frozen=True)
class ImageStream:
    """Images with their splits, read one by one from a source.

    Iterating reads the source from its beginning. It yields each accepted image (with split, digest and tidy
    caption), each reject, and last the summary, a dict. Only one image is held at a time, and a few bytes for
    each earlier one. The class is iterable but no iterator, so that Kedro saves it as one object.

    A store in shards reads each ``part`` instead, which keeps copies, on the ``engine``, and gives what it
    knows of the items to the ``duplicate_resolver`` afterwards. Results and summary are the same. Another
    process gets what ``reopen``, a function that can be imported, returns.
    """

    source: OpenedSource
    parameters: IngestionParameters
    captioner: ImageCaptioner | None = None  # writes the captions of images without captions
    engine: Engine = LOCAL
    reopen: Callable[[], "ImageStream"] | None = None

    def __reduce__(self) -> tuple[Callable[[], "ImageStream"], tuple[()]]:
        assert self.reopen is not None
        return self.reopen, ()

    @property
    def n_images(self) -> int | None:
        return self.source.n_images

    @property
    def shard_rows(self) -> int | None:
        return self.parameters.shard_rows

    def __iter__(self) -> Generator[SourceImage | Reject | dict[str, Any], None, None]:
        deduplicate, report = self._deduplicator(), IngestReport(self.parameters)
        with closing(self.source.read()) as items:  # the source's threads end with the generator
            results: Iterator[SourceImage | Reject] = (deduplicate(self._check(item)) for item in items)
            if self.captioner is not None:
                results = captioned(results, self.captioner)
            for result in results:
                report.add(result)
                yield result
        yield {**report.summary(), **self.source.facts}

    @cached_property
    def part_sizes(self) -> list[int]:
        """How many items each part of the source has: ``shard_rows``, the last one fewer."""
        assert self.shard_rows is not None
        n_items = sum(1 for _ in self.source.read()) if self.n_images is None else self.n_images
        starts = range(0, max(1, n_items), self.shard_rows)
        return [min(self.shard_rows, n_items - start) for start in starts]

    def part(self, number: int) -> Generator[SourceImage | Reject, None, None]:
        """Yield the items of one part, copies included."""
        assert self.shard_rows is not None
        start = number * self.shard_rows
        with closing(self.source.read(start, start + self.shard_rows)) as items:
            checked = map(self._check, items)
            yield from checked if self.captioner is None else captioned(checked, self.captioner)

    def duplicate_resolver(self) -> "DuplicateResolver":
        """What decides about the items of all parts."""
        return DuplicateResolver(self._deduplicator(), IngestReport(self.parameters), self.source.facts)

    def _deduplicator(self) -> Deduplicator:
        # Other sources have captions of their own for equal images
        return Deduplicator(self.parameters.source.kind == "folder", self.source.splits)

    def _check(self, item: SourceImage | Reject) -> SourceImage | Reject:
        file = _printable(item.file)
        if isinstance(item, Reject):
            return replace(item, file=file, reason=_printable(item.reason))
        if file != item.file:
            return Reject(file, "its name is not valid UTF-8: rename it")
        try:
            caption, *paraphrases = _tidy((item.caption, *item.paraphrases)) or (None,)
        except UnicodeEncodeError:
            return Reject(file, "its caption is not valid UTF-8")
        is_optional = self.parameters.allow_uncaptioned or self.captioner is not None
        if caption is None and item.withheld_caption is None and not is_optional:
            return Reject(file, "no caption, and ingestion.allow_uncaptioned is false")
        longest, allowed = max(map(len, (caption or "", *paraphrases))), self.parameters.max_caption_chars
        if longest > allowed:
            reason = f"its caption has {longest:,} characters, ingestion.max_caption_chars is {allowed:,}"
            return Reject(file, reason)
        digest = hashlib.sha256(np.ascontiguousarray(item.image).data).digest()[:16]
        split = choose_split(
            digest if item.group is None else hashlib.sha256(item.group.encode()).digest(),
            item.split,
            self.source.splits,
            self.parameters.splits,
            item.is_held_out_pair,
        )
        return replace(
            item,
            file=file,
            caption=caption,
            paraphrases=tuple(paraphrases),
            split=split,
            digest=digest.hex(),
        )


_reopened: dict[str, ImageStream] = {}  # in a worker, which reads many parts of one source


def open_stream(
    parameters: IngestionParameters,
    seed: int,
    sources: Callable[[IngestionParameters, int], OpenedSource],
    load_captioner: Callable[[], ImageCaptioner | None],
) -> ImageStream:
    """The stream of a source; all arguments can cross to another process, which opens it again, once."""
    source, captioner = sources(parameters, seed), load_captioner()
    key, opened = uuid4().hex, (parameters, seed, sources, load_captioner)
    reopen = partial(_reopen_stream, key, source.n_images, *opened)
    return ImageStream(source, parameters, captioner, reopen=reopen)


def _reopen_stream(key: str, n_images: int | None, *opened: Any) -> ImageStream:
    """The stream that another process opened under this key; LexipixError if the source has changed."""
    if key not in _reopened:
        stream = open_stream(*opened)
        if stream.n_images != n_images:
            raise LexipixError(
                f"The source of the ingestion has {stream.n_images} images for a worker and {n_images} for "
                "the run: engine.kind = ray needs it on a disk that all machines share, and unchanged until "
                "the ingestion has ended. Run the same command again."
            )
        _reopened.clear()
        _reopened[key] = stream
    return _reopened[key]


@dataclass(frozen=True)
class DuplicateResolver:
    """Decides about the items of a stream's parts, in their order; the images need no pixels."""

    deduplicator: Deduplicator
    report: IngestReport
    facts: Mapping[str, Any]

    def add(self, item: SourceImage | Reject, recurs: bool) -> SourceImage | Reject:
        """Return the item, or a `Duplicate` for a copy; ``recurs`` says whether an equal image follows."""
        result = self.deduplicator(item, recurs)
        self.report.add(result)
        return result

    def summary(self) -> dict[str, Any]:
        """Summary of all items; LexipixError if too many were rejected, or a split is empty."""
        return {**self.report.summary(), **self.facts}


def choose_split(
    digest: bytes,
    hint: SplitName | None,
    own: Collection[SplitName],
    shares: SplitParameters,
    is_held_out_pair: bool = False,
) -> SplitName:
    """The split of an image by its content, so that adding or renaming files moves no other image.

    ``digest`` is a hash of the pixels, or of the image's group, of 8 bytes or more, ``hint`` the split
    according to the source. Images of "train" may still move to the splits that are not the source's ``own``,
    which have ``shares``. Held-out pairs are of the images that would be trained on.
    """
    if hint is not None and hint != "train":
        return hint
    position = int.from_bytes(digest[:8], "big") / 2**64
    by_hash: dict[SplitName, float] = {"test": shares.test, "val": shares.val}
    for split, share in by_hash.items():
        if split not in own:
            if position < share:
                return split
            position -= share
    return "pairs" if is_held_out_pair else "train"


def _tidy(texts: tuple[str | None, ...]) -> list[str]:
    """Texts in NFC with single spaces, without control characters, empty ones and repetitions."""
    tidy = []
    for text in texts:
        if not text:
            continue
        if not text.isascii():
            text.encode("utf-8")  # fails for invalid bytes, kept as surrogates
            text = unicodedata.normalize("NFC", text)
        text = " ".join(text.translate(_NOT_TEXT).split())
        if text:
            tidy.append(text)
    return list(dict.fromkeys(tidy))


def _printable(text: str) -> str:
    """The text with invalid bytes, which file names may contain, replaced by escapes."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode("utf-8")
