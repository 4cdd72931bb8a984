"""What lies where in a folder of pictures: its parts, its pictures, their caption files."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePath

from lexipix.datasets.sources.images import suffixes
from lexipix.utils.errors import LexipixError
from lexipix.utils.types import SplitName

# Folder names that mean a split, as Hugging Face's ImageFolder has them.
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
# Pictures to people, but not to a decoder; a user wants to know that they were left out.
_UNREADABLE = frozenset({".svg", ".svgz", ".eps", ".ps", ".pdf", ".ai", ".heic", ".heif", ".jxl", ".raw"}) | {
    ".cr2", ".cr3", ".nef", ".arw", ".dng", ".xcf", ".kra", ".mp4", ".webm",
}  # fmt: skip
# Text files that lie in many folders without being anybody's caption.
_NOTES = ("readme", "license", "licence", "notice", "copying", "credits", "attribution", "classes", "labels")


@dataclass(frozen=True)
class Part:
    """A folder whose pictures share a split.

    Attributes:
        folder: Where it is.
        split: "train", "test" or "val" where the folder's name says so, else None.
    """

    folder: Path
    split: SplitName | None


@dataclass(frozen=True)
class Listing:
    """The files of one folder that matter, each sorted by name.

    Attributes:
        folder: Where it is.
        pictures: Names of picture files.
        sidecars: Stem -> name of the caption file beside the picture ``STEM.png``.
        orphans: Names of caption files without a picture.
        unreadable: Names of pictures in formats that cannot be read.
        metadata: Name of the metadata file, or None.
    """

    folder: Path
    pictures: list[str]
    sidecars: dict[str, str]
    orphans: list[str]
    unreadable: list[str]
    metadata: str | None


def find_parts(root: Path) -> list[Part]:
    """Find the parts of a folder, the training part last.

    ``train`` beside ``test`` or ``validation`` are the source's own splits. Anything else is one part.

    Raises:
        LexipixError: Some of the folders are named like splits and others are not.
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
            f"ingestion.source.path is {root}, where {(others or loose)[0]} lies beside the splits "
            f"{', '.join(sorted(splits))}: move it into one of them, or out of the folder."
        )
    alone = set(splits.values()) == {"train"}
    order = ("test", "val", "train")
    return sorted(
        (Part(folders[name], None if alone else split) for name, split in splits.items()),
        key=lambda part: (order.index(part.split or "train"), part.folder),
    )


def walk(folder: Path) -> Iterator[Listing]:
    """List a folder and the folders below it, in the order of their names; hidden ones are left out.

    One folder's names are held at a time. Links to folders are not followed, as they may go round in circles.
    """
    yield scan(folder)
    for name in _folders(folder):
        yield from walk(Path(folder, name))


def scan(folder: Path) -> Listing:
    """List one folder."""
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
        raise LexipixError(f"{folder} holds both {' and '.join(METADATA)}: keep the one that counts.")
    pictures.sort()
    sidecars = {}
    if texts:
        stems = {PurePath(name).stem for name in pictures}
        sidecars = {stem: texts.pop(stem) for stem in sorted(stems & set(texts))}
    orphans = []
    if sidecars:  # where nothing else has a caption file, a text file is just a text file
        orphans = sorted(name for stem, name in texts.items() if not stem.lower().startswith(_NOTES))
    return Listing(folder, pictures, sidecars, orphans, sorted(unreadable), next(iter(metadata), None))


def _folders(folder: Path) -> list[str]:
    with os.scandir(folder) as entries:
        return sorted(
            entry.name
            for entry in entries
            if not entry.name.startswith((".", "__MACOSX")) and entry.is_dir(follow_symlinks=False)
        )
