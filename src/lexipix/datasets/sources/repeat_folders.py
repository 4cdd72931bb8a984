"""Folders such as ``10_cat``, as kohya's trainers want them: a repeat count, and a name for a caption."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from lexipix.datasets.sources.split_folders import class_of
from lexipix.utils.types import SplitName

_REPEATED = re.compile(r"(\d{1,4})_(\S.*)")
_MIN_INDICES = 3  # folders numbered from 0 or 1 on are numbered classes


@dataclass(frozen=True)
class RepeatFolder:
    """What the name of a folder says."""

    count: int  # how often the trainer is to show each image
    name: str  # the caption of images without one


def find_repeats(prefixes: Iterable[str], splits: Mapping[str, SplitName | None]) -> dict[str, RepeatFolder]:
    """The folders with repeat counts by their names; none if a folder with images is named otherwise.

    Numbers that count the folders (``0_cat``, ``1_dog``, ``2_owl``) are no repeats.

    >>> find_repeats(["10_cat/", "img/2_big dog/"], {"": None})["2_big dog"]
    RepeatFolder(count=2, name='big dog')
    """
    names = {class_of(prefix, splits) or "" for prefix in prefixes}
    matches = {name: match for name in names - {""} if (match := _REPEATED.fullmatch(name))}
    if set(matches) != names - {""}:
        return {}
    found = {name: RepeatFolder(int(match[1]), match[2]) for name, match in sorted(matches.items())}
    counts = sorted(folder.count for folder in found.values())
    is_numbered = len(counts) >= _MIN_INDICES and counts == list(range(counts[0], counts[0] + len(counts)))
    return {} if is_numbered and counts[0] in (0, 1) else found
