"""Assigns images to splits."""

from collections.abc import Collection

from lexipix.config.ingestion import SplitParameters
from lexipix.utils.types import SplitName


def choose_split(
    digest: bytes, hint: SplitName | None, own: Collection[SplitName], shares: SplitParameters
) -> SplitName:
    """The split of an image by its content, so that adding or renaming files moves no other image.

    Args:
        digest: Hash of the pixels, 8 bytes or more, uniformly distributed.
        hint: The split according to the source. Images of "train" may still move to a split that the source
            does not decide.
        own: The splits that the source decides.
        shares: Shares of the other splits.
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
