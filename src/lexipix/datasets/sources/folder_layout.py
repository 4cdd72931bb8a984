"""The layout of a folder of images: its splits, images, and caption files."""

import os
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import NoReturn

from lexipix.datasets.sources.images import suffixes
from lexipix.utils.errors import LexipixError
from lexipix.utils.types import SplitName

# Folder names that mean a split, as in Hugging Face's ImageFolder.
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
METADATA = ("metadata.jsonl", "metadata.csv")
# Image formats that cannot be read; they are rejected instead of ignored.
_UNREADABLE = frozenset({".svg", ".svgz", ".eps", ".ps", ".pdf", ".ai", ".heic", ".heif", ".jxl", ".raw"}) | {
    ".cr2", ".cr3", ".nef", ".arw", ".dng", ".xcf", ".kra", ".mp4", ".webm",
}  # fmt: skip
# Text files that are usually not captions.
_NOTES = ("readme", "license", "licence", "notice", "copying", "credits", "attribution", "classes", "labels")


@dataclass(frozen=True)
class Listing:
    """The names of the relevant files of one folder, sorted."""

    prefix: str  # the folder relative to the root: "" or "train/owl/"
    images: list[str]
    sidecars: dict[str, str]  # caption files beside an image, by the common stem
    orphans: list[str]  # caption files without an image
    unreadable: list[str]  # images in formats that cannot be read
    metadata: str | None


def list_folders(root: Path) -> list[Listing]:
    """Listings of a folder and its subfolders in the order of their names, without hidden ones and links.

    Raises:
        LexipixError: A folder has two metadata files.
    """
    listings = []
    for folder, subfolders, names in os.walk(root, onerror=_raise):
        subfolders[:] = sorted(name for name in subfolders if not name.startswith((".", "__MACOSX")))
        files = [name for name in names if not name.startswith(".") and Path(folder, name).is_file()]
        relative = Path(folder).relative_to(root).as_posix()
        listings.append(_listing(Path(folder), "" if relative == "." else f"{relative}/", sorted(files)))
    return listings


def find_splits(root: Path, listings: list[Listing]) -> dict[str, SplitName | None]:
    """The parts of a folder by their prefix with the splits that they mean, the training part last.

    ``train`` beside ``test`` or ``validation`` are splits of the source. Any other folder is one part, with
    the prefix "" and no split.

    Raises:
        LexipixError: Some of the folders have names of splits and others do not.
    """
    used = [listing for listing in listings if listing.images or listing.metadata]
    folders = {listing.prefix.partition("/")[0] for listing in used if listing.prefix}
    splits = {name: SPLIT_FOLDERS[name.lower()] for name in folders if name.lower() in SPLIT_FOLDERS}
    others = sorted(folders - set(splits))
    # A class may be called "train"
    if "train" not in splits.values() or (others and len(splits) == 1):
        return {"": None}
    if beside := [*others, *listings[0].images]:
        raise LexipixError(
            f"ingestion.source.path is {root}, which has {beside[0]} beside the splits "
            f"{', '.join(sorted(splits))}: move it into one of them or out of the folder."
        )
    if set(splits.values()) == {"train"}:
        return {f"{name}/": None for name in sorted(splits)}
    order = ("test", "val", "train")
    return {
        f"{name}/": splits[name]
        for name in sorted(splits, key=lambda name: (order.index(splits[name]), name))
    }


def _raise(error: OSError) -> NoReturn:
    raise error


def _listing(folder: Path, prefix: str, names: list[str]) -> Listing:
    by_suffix = [(name, PurePath(name).suffix.lower()) for name in names]
    images = [name for name, suffix in by_suffix if suffix in suffixes()]
    texts = {PurePath(name).stem: name for name, suffix in by_suffix if suffix == ".txt"}
    metadata = [name for name in METADATA if name in names]
    if len(metadata) > 1:
        raise LexipixError(f"{folder} has both {' and '.join(METADATA)}: delete one of them.")
    stems = {PurePath(name).stem for name in images}
    sidecars = {stem: name for stem, name in texts.items() if stem in stems}
    orphans = [
        name for stem, name in texts.items() if stem not in stems and not stem.lower().startswith(_NOTES)
    ]
    return Listing(
        prefix,
        images,
        sidecars,
        orphans if sidecars else [],  # without any caption file, text files are not captions
        [name for name, suffix in by_suffix if suffix in _UNREADABLE],
        metadata[0] if metadata else None,
    )
