"""Which split a picture belongs to."""

from collections.abc import Collection

from lexipix.config.ingestion import SplitParameters
from lexipix.utils.types import SplitName


def choose_split(
    digest: bytes, hint: SplitName | None, own: Collection[SplitName], shares: SplitParameters
) -> SplitName:
    """Choose a split by the picture's content, so that adding or renaming files moves no other picture.

    Args:
        digest: Hash of the pixels, 8 bytes or more, evenly distributed.
        hint: The split that the source names; "train" still gives to the splits it does not name.
        own: The splits that the source decides itself.
        shares: Of the others.
    """
    if hint is not None and hint != "train":
        return hint
    position = int.from_bytes(digest[:8], "big") / 2**64
    by_hash: dict[SplitName, float] = {"test": shares.test, "val": shares.val, "judge": shares.judge}
    for split, share in by_hash.items():
        if split in own:
            continue
        if position < share:
            return split
        position -= share
    return "train"
