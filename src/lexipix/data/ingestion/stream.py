"""The stream of pictures between source and store: what is kept, in which split, and what is set aside."""

import hashlib
import unicodedata
from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import replace
from typing import Any

import numpy as np

from lexipix.config.ingestion import IngestionParameters
from lexipix.data.ingestion.captioning import Describe, described
from lexipix.data.ingestion.duplicates import DigestIndex
from lexipix.data.ingestion.report import Duplicate, IngestReport
from lexipix.data.ingestion.splits import choose_split
from lexipix.utils.types import OpenedSource, Picture, Reject


class PictureStream:
    """Pictures in their splits, drawn one by one from a source.

    Iterating reads the source from its beginning. It gives each kept picture (with its split, its digest and
    a tidy caption) and each reject, and at the end the summary, a dict. One picture at a time is held, and a
    few bytes for each that was seen. It can be iterated but is no iterator: Kedro saves it as one thing.

    Args:
        source: Where the pictures come from.
        parameters: The ingestion's parameters.
        describe: Writes captions for pictures that come without; None leaves them without.

    Attributes:
        n_pictures: How many to expect, where it is known.
    """

    def __init__(
        self, source: OpenedSource, parameters: IngestionParameters, describe: Describe | None = None
    ) -> None:
        self._source = source
        self._parameters = parameters
        self._describe = describe
        self.n_pictures = source.n_pictures

    def __iter__(self) -> Generator[Picture | Reject | dict[str, Any], None, None]:
        """Read the source.

        Raises:
            LexipixError: More was rejected than ``ingestion.max_reject_share`` allows, or a split is left
                without pictures.
        """
        index, tally = DigestIndex(), IngestReport(self._parameters)
        with closing(self._source.read()) as items:  # its threads end with it, however this ends
            verdicts: Iterator[Picture | Reject] = (self._judge(item, index) for item in items)
            if self._describe is not None:
                verdicts = described(verdicts, self._describe)
            for verdict in verdicts:
                tally.add(verdict)
                yield verdict
        yield tally.summary()

    def _judge(self, item: Picture | Reject, index: DigestIndex) -> Picture | Reject:
        file = _printable(item.file)
        if isinstance(item, Reject):
            return Reject(file, _printable(item.reason))
        if item.image is None:
            return Reject(file, "no picture")
        if file != item.file:
            return Reject(file, "its name is not valid UTF-8: rename it")
        try:
            caption, *paraphrases = _tidy((item.caption, *item.paraphrases)) or (None,)
        except UnicodeEncodeError:
            return Reject(file, "its caption is not valid UTF-8")
        fault = self._caption_fault(item, caption, paraphrases)
        if fault:
            return Reject(file, fault)
        digest = hashlib.sha256(np.ascontiguousarray(item.image).data).digest()
        first = index.claim(digest, file)
        if first is not None:
            return Duplicate(file, f"duplicate of {first}")
        return replace(
            item,
            caption=caption,
            paraphrases=tuple(paraphrases),
            split=choose_split(digest, item.split, self._source.splits, self._parameters.splits),
            digest=digest.hex()[:32],
        )

    def _caption_fault(self, item: Picture, caption: str | None, paraphrases: list[str]) -> str | None:
        may_lack = self._parameters.allow_uncaptioned or self._describe is not None
        if caption is None and item.withheld_caption is None and not may_lack:
            return "no caption, and ingestion.allow_uncaptioned is false"
        longest = max(map(len, (caption or "", *paraphrases)))
        if longest > self._parameters.max_caption_chars:
            allowed = self._parameters.max_caption_chars
            return f"its caption has {longest:,} characters, ingestion.max_caption_chars is {allowed:,}"
        return None


def _tidy(texts: tuple[str | None, ...]) -> list[str]:
    """One kind of space, composed characters, nothing empty, nothing twice."""
    tidy = []
    for text in texts:
        if not text:
            continue
        if not text.isascii():
            text.encode("utf-8")  # fails where bytes that are no text were carried along
            text = unicodedata.normalize("NFC", text)
        text = " ".join(text.replace("\0", " ").split())
        if text:
            tidy.append(text)
    return list(dict.fromkeys(tidy))


def _printable(text: str) -> str:
    """Names of files may hold bytes that are no text; tables may not."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode("utf-8")
