"""The layout of a folder of images: its splits, images, and caption files."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePath

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
class Part:
    """A folder whose images belong to one split.

    Attributes:
        folder: The folder.
        split: "train", "test" or "val" if the folder's name means a split, else None.
    """

    folder: Path
    split: SplitName | None


@dataclass(frozen=True)
class Listing:
    """The relevant files of one folder, sorted by name.

    Attributes:
        folder: The folder.
        pictures: Names of image files.
        sidecars: Name of the caption file beside the image ``STEM.png``, by stem.
        orphans: Names of caption files without an image.
        unreadable: Names of images in formats that cannot be read.
        metadata: Name of the metadata file, or None.
    """

    folder: Path
    pictures: list[str]
    sidecars: dict[str, str]
    orphans: list[str]
    unreadable: list[str]
    metadata: str | None


def find_parts(root: Path) -> list[Part]:
    """Parts of a folder, the training part last.

    ``train`` beside ``test`` or ``validation`` are splits of the source. Any other folder is one part.

    Raises:
        LexipixError: Some of the folders have names of splits and others do not.
    """
    folders = {
        name: Path(root, name)
        for name in _folders(root)
        if any(listing.pictures or listing.metadata for listing in walk(Path(root, name)))
    }
    splits = {name: SPLIT_FOLDERS[name.lower()] for name in folders if name.lower() in SPLIT_FOLDERS}
    if "train" not in splits.values():
        return [Part(root, None)]
    others = sorted(set(folders) - set(splits))
    if others and len(splits) == 1:
        return [Part(root, None)]  # a class may be called "train"
    loose = scan(root).pictures
    if others or loose:
        raise LexipixError(
            f"ingestion.source.path is {root}, which has {(others or loose)[0]} beside the splits "
            f"{', '.join(sorted(splits))}: move it into one of them or out of the folder."
        )
    alone = set(splits.values()) == {"train"}
    order = ("test", "val", "train")
    return sorted(
        (Part(folders[name], None if alone else split) for name, split in splits.items()),
        key=lambda part: (order.index(part.split or "train"), part.folder),
    )


def walk(folder: Path) -> Iterator[Listing]:
    """Listings of a folder and its subfolders in the order of their names, without hidden ones.

    The names of one folder are held at a time. Links to folders are not followed, because they may form
    cycles.
    """
    yield scan(folder)
    for name in _folders(folder):
        yield from walk(Path(folder, name))


def scan(folder: Path) -> Listing:
    """Listing of one folder."""
    pictures, texts, unreadable, metadata = [], {}, [], []
    readable = suffixes()
    with os.scandir(folder) as entries:
        for entry in entries:
            name = entry.name
            if name.startswith(".") or not entry.is_file():
                continue
            path = PurePath(name)
            suffix = path.suffix.lower()
            if suffix in readable:
                pictures.append(name)
            elif suffix == ".txt":
                texts[path.stem] = name
            elif suffix in _UNREADABLE:
                unreadable.append(name)
            elif name in METADATA:
                metadata.append(name)
    if len(metadata) > 1:
        raise LexipixError(f"{folder} has both {' and '.join(METADATA)}: delete one of them.")
    pictures.sort()
    sidecars = {}
    if texts:
        stems = {PurePath(name).stem for name in pictures}
        sidecars = {stem: texts.pop(stem) for stem in sorted(stems & set(texts))}
    orphans = []
    if sidecars:  # without any caption file, text files are not captions
        orphans = sorted(name for stem, name in texts.items() if not stem.lower().startswith(_NOTES))
    return Listing(folder, pictures, sidecars, orphans, sorted(unreadable), next(iter(metadata), None))


def _folders(folder: Path) -> list[str]:
    with os.scandir(folder) as entries:
        return sorted(
            entry.name
            for entry in entries
            if not entry.name.startswith((".", "__MACOSX")) and entry.is_dir(follow_symlinks=False)
        )
