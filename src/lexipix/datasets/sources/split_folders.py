"""The splits that the names of folders mean, as in ``train/owl/1.png`` or ``images/val2017/1.png``."""

import re
from collections.abc import Iterable, Sequence
from itertools import takewhile
from pathlib import Path

from lexipix.datasets.sources.file_names import class_name
from lexipix.datasets.sources.folder_layout import Listing
from lexipix.utils.errors import LexipixError
from lexipix.utils.types import SplitName

# Names that mean a split, as in Hugging Face's ImageFolder.
SPLIT_FOLDERS: dict[str, SplitName] = {
    "train": "train",
    "training": "train",
    "test": "test",
    "testing": "test",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "dev": "val",
}
# Data sets add their year, or a word such as "set"
_SPLIT = re.compile(rf"({'|'.join(SPLIT_FOLDERS)})(?:[-_ ]?(?:set|images?|data|\d{{4}}))?", re.IGNORECASE)
_ORDER = ("test", "val", "train")


def find_splits(root: Path, listings: Sequence[Listing]) -> dict[str, SplitName | None]:
    """The parts of a folder by their prefix with the splits that they mean, the training part last.

    ``train`` beside ``test`` or ``validation`` are splits of the source, also in folders below the first
    ones. Any other folder is one part, with the prefix "" and no split; where all folders are of one split,
    each of them is a part without a split.

    Raises:
        LexipixError: Some of the folders have names of splits and others do not.
    """
    used = [listing for listing in listings if listing.images or listing.metadata]
    # A folder that holds all images, as of a data set that was unpacked, may be called like a split itself
    shared = _n_shared(listing.prefix for listing in used if listing.images)
    for start in dict.fromkeys((shared, 0)):
        parts, others = _parts(used, start)
        if {"train"} < set(parts.values()):
            if others:
                raise LexipixError(
                    f"ingestion.source.path is {root}, which has {others[0]} beside the splits "
                    f"{', '.join(sorted(part.rstrip('/') for part in parts))}: move it into one of them or "
                    "out of the folder."
                )
            order = sorted(parts, key=lambda part: (_ORDER.index(parts[part]), part))
            return {part: parts[part] for part in order}
    # A class may be called "train"
    return {"": None} if others or not parts else dict.fromkeys(sorted(parts))


def class_of(prefix: str, splits: Iterable[str]) -> str | None:
    """The class that a folder names, without the folders of splits and those that hold all of them.

    >>> class_of("set/train/owl/", ["set/test/", "set/train/"])
    'owl'
    >>> class_of("owl/train/", ["cat/train/", "owl/train/"])
    'owl'
    """
    splits = list(splits)
    owner = next((part for part in splits if prefix.startswith(part)), "")
    names = _names(owner)
    outer = names[_n_shared(splits) : -1] if names and split_of(names[-1]) else []
    return class_name("/".join([*outer, *_names(prefix.removeprefix(owner))]))


def split_of(name: str) -> SplitName | None:
    """The split that the name of a folder means."""
    match = _SPLIT.fullmatch(name)
    return SPLIT_FOLDERS[match[1].lower()] if match else None


def _parts(used: Sequence[Listing], start: int) -> tuple[dict[str, SplitName], list[str]]:
    """The folders of splits among the names from ``start`` on, and what lies in none of them."""
    parts, rest = dict[str, SplitName](), list[Listing]()
    for listing in used:
        names = _names(listing.prefix)
        for place, name in enumerate(names[start:], start):
            if split := split_of(name):
                parts["".join(f"{one}/" for one in names[: place + 1])] = split
                break
        else:
            rest.append(listing)
    others = [
        listing.prefix.rstrip("/") or (listing.images or [str(listing.metadata)])[0]
        for listing in rest
        if listing.images or not any(part.startswith(listing.prefix) for part in parts)
    ]
    return parts, others


def _names(prefix: str) -> list[str]:
    return prefix.split("/")[:-1]


def _n_shared(prefixes: Iterable[str]) -> int:
    """How many folders all prefixes begin with."""
    levels = zip(*map(_names, prefixes), strict=False)
    return sum(1 for _ in takewhile(lambda names: len(set(names)) == 1, levels))
