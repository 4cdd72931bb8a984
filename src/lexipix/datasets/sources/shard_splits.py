"""The splits that the names of shards mean, as in ``data/train-00000-of-00004.parquet``."""

import re
from collections.abc import Sequence
from pathlib import Path

from lexipix.datasets.sources.split_folders import SPLIT_FOLDERS
from lexipix.utils.errors import LexipixError
from lexipix.utils.types import SplitName

_ORDER = ("test", "val", "train")
_WORD = re.compile(r"[a-z]+")


def find_shard_splits(root: Path, names: Sequence[str]) -> dict[str, SplitName | None]:
    """The splits of shards by their names, the training part last; None where only one part is named.

    Raises:
        LexipixError: Some names mean splits and others do not.
    """
    found = {name: _split_of(name) for name in names}
    if set(found.values()) <= {"train", None} or "train" not in found.values():
        return dict.fromkeys(sorted(names))
    splits = {name: split for name, split in found.items() if split is not None}
    if others := sorted(set(names) - set(splits)):
        raise LexipixError(
            f"ingestion.source.path is {root}, which has {others[0]} beside {sorted(splits)[0]}: name the "
            "split of each file (train, val or test), or move it out of the folder."
        )
    return {
        name: splits[name] for name in sorted(splits, key=lambda name: (_ORDER.index(splits[name]), name))
    }


def _split_of(name: str) -> SplitName | None:
    """The split of the last word that means one."""
    words = [word for word in _WORD.findall(name.lower()) if word in SPLIT_FOLDERS]
    return SPLIT_FOLDERS[words[-1]] if words else None
