"""Equal images: the first of a source is accepted, the others are copies that may give it their captions."""

from collections.abc import Collection
from dataclasses import dataclass

from lexipix.utils.types import Duplicate, Reject, SourceImage, SplitName


@dataclass(frozen=True, slots=True)
class _Seen:
    """An accepted image; only hashes of its captions, as these stay in memory."""

    file: str
    split: SplitName
    texts: set[int]


class Deduplicator:
    """Turns each copy of an earlier image into a `Duplicate`.

    With ``share_captions`` the first image gets the captions that copies have and it lacks, whatever group
    their captions put them in: all copies belong to the split of the first. Only where the source ``decides``
    the split of one of both, and they differ, captions stay apart.
    """

    def __init__(self, share_captions: bool, decides: Collection[SplitName] = ()) -> None:
        self.share_captions = share_captions
        self.decides = frozenset(decides)
        self._seen: dict[bytes, _Seen] = {}

    def __call__(self, item: SourceImage | Reject, recurs: bool = True) -> SourceImage | Reject:
        """Return the item or a `Duplicate`; nothing is kept of images that do not recur after it."""
        if isinstance(item, Reject):
            return item
        assert item.digest is not None and item.split is not None
        digest = bytes.fromhex(item.digest)
        first = self._seen.get(digest)
        if first is None:
            if recurs:
                self._seen[digest] = _Seen(item.file, item.split, set(map(hash, _given(item))))
            return item
        if not recurs:
            del self._seen[digest]
        return self._duplicate(item, first)

    def _duplicate(self, item: SourceImage, first: _Seen) -> Duplicate:
        reason = f"duplicate of {first.file}"
        captions = () if item.from_folder_name else _given(item)
        further = tuple(text for text in captions if hash(text) not in first.texts)
        if not further or not self.share_captions:
            return Duplicate(item.file, reason)
        # Captions of the source's test split must not be trained on
        if item.split != first.split and self.decides & {item.split, first.split}:
            return Duplicate(item.file, f"{reason}, which is in another split: its caption is not used")
        is_first = not first.texts
        first.texts.update(map(hash, further))
        reason = f"{reason}, which gets its caption too"
        digest = item.digest or ""
        return Duplicate(item.file, reason, digest=digest, texts=further, is_first_caption=is_first)


def _given(item: SourceImage) -> tuple[str, ...]:
    """The captions that an image came with; a captioner may have written another."""
    if item.caption is None or item.caption_source == "generated":
        return ()
    return item.caption, *item.paraphrases
