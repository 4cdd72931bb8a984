"""The layout of a folder of images: its splits, images, caption files and metadata files."""

import os
import re
import stat
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePath

from lexipix.datasets.sources.file_names import fold, is_archive
from lexipix.datasets.sources.images import NO_FILE, suffixes
from lexipix.utils.errors import LexipixError
from lexipix.utils.types import Reject

METADATA_STEMS = ("metadata", "captions")  # the first of them that a folder has is read
METADATA_SUFFIXES = (".jsonl", ".csv", ".tsv", ".json", ".parquet")
CAPTION_SUFFIXES = (".txt", ".caption")  # in the order in which the captions of one image are read
RECORD_SUFFIX = ".json"  # the fields of one image, in a file beside it (WebDataset)
TABLE_SUFFIXES = (".parquet", ".arrow")  # which may hold images
# Other files that often hold captions; they are reported if no captions are found.
_DOCUMENTS = frozenset(
    {*METADATA_SUFFIXES, ".ndjson", ".json1", ".arrow", ".captions", ".cap", ".tags", ".prompt"}
)
# Image formats that cannot be read; they are rejected instead of ignored.
_UNREADABLE = frozenset({".svg", ".svgz", ".eps", ".ps", ".pdf", ".ai", ".heic", ".heif", ".jxl", ".raw"}) | {
    ".cr2", ".cr3", ".nef", ".arw", ".dng", ".xcf", ".kra", ".mp4", ".mpg", ".mpeg", ".webm",
    ".wmf", ".emf", ".palm",
}  # fmt: skip
_FOREIGN_FILES = frozenset({"thumbs.db", "ehthumbs.db", "desktop.ini"})
# Folders in which systems, file managers, NAS and sync tools keep thumbnails, versions and deleted files.
_FOREIGN = re.compile(
    r"__macosx|lost\+found|lost\.dir|found\.\d{3}|system volume information|recycler|recycled|\$recycle\.bin|"
    r"#recycle|#snapshot|@recycle|@recently-snapshot|@eadir|@tmp|@sharebin|@synologyworkingdirectory|@sharesnap|"
    r"@__thumb|~snapshot|\$extend|_vti_.*|network trash folder|temporary items|.*\.lrdata|.*\.photoslibrary",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Listing:
    """The names of the relevant files of one folder, sorted."""

    prefix: str  # the folder relative to the root: "" or "train/owl/"
    images: list[str]
    texts: list[str] = field(default_factory=list)  # caption files, records beside images, or other texts
    unreadable: list[str] = field(default_factory=list)  # images in formats that cannot be read
    metadata: str | None = None
    documents: list[str] = field(default_factory=list)  # other files that may hold captions
    packed: list[str] = field(default_factory=list)  # archives and tables that may hold images
    rejects: list[Reject] = field(default_factory=list)  # what the file system could not read, or read twice
    others: list[str] = field(default_factory=list)  # files of other kinds; a metadata file may name them

    @property
    def used(self) -> list[str]:
        """The files that decide what is ingested."""
        metadata = [self.metadata] if self.metadata else []
        kinds = (self.images, self.texts, self.unreadable, metadata, self.documents, self.packed)
        return list(dict.fromkeys(name for names in kinds for name in names))


@dataclass(frozen=True)
class Layout:
    """A folder with its subfolders."""

    listings: list[Listing]
    foreign: list[str]  # skipped folders of other programs

    def files(self) -> list[str]:
        """The files that are read, relative to the folder; those of other kinds only if they may be images.

        That is where a metadata file may name them, and where there are no images.
        """
        is_open = any(one.metadata for one in self.listings) or not any(one.images for one in self.listings)
        return [
            listing.prefix + name
            for listing in self.listings
            for name in (*listing.used, *(listing.others if is_open else ()))
        ]


def read_layout(root: Path) -> Layout:
    """Listings of a folder and its subfolders in the order of their names, without hidden ones.

    Links to folders are followed, and each folder is read once. What the file system cannot read is a reject.

    Raises:
        LexipixError: The folder or a metadata file cannot be read, or a folder has two metadata files.
    """
    listings, foreign = [], list[str]()
    waiting, links = [""], list[str]()
    seen = _around(root)
    while waiting or links:
        # Links come last, so that a folder and not a link to it gives the names.
        prefix, is_link = (waiting.pop(), False) if waiting else (links.pop(0), True)
        rejects: list[Reject] = []
        if prefix and (reason := _seen_before(root / prefix, seen, is_link)):
            listings.append(Listing(prefix, [], rejects=[Reject(prefix, reason, is_counted=False)]))
            continue
        try:
            names = sorted(path.name for path in (root / prefix).iterdir())
        except OSError as error:
            if not prefix:
                raise LexipixError(_unreadable_root(root, error)) from None
            listings.append(Listing(prefix, [], rejects=[Reject(prefix, _reason(error))]))
            continue
        files, folders = [], []
        for name in names:
            if name.startswith("."):
                continue
            try:
                kind = _kind(root / prefix / name)
            except OSError as error:
                if is_metadata(name):
                    raise LexipixError(f"{root / prefix / name}: {_reason(error)}.") from None
                rejects.append(Reject(prefix + name, _reason(error)))
                continue
            if kind == "file":
                files.append(name)
            elif kind == "other" and is_metadata(name):
                raise LexipixError(f"{root / prefix / name} is no file: delete it.")
            elif kind == "other" and is_relevant(name):
                rejects.append(Reject(prefix + name, NO_FILE))
            elif kind in ("folder", "link") and is_foreign(name):
                foreign.append(prefix + name)
            elif kind == "folder":
                folders.append(f"{prefix}{name}/")
            elif kind == "link":
                links.append(f"{prefix}{name}/")
        waiting += reversed(folders)
        listings.append(_listing(root, prefix, files, rejects))
    return Layout(_in_order(listings), sorted(foreign))


def layout_of(root: Path, names: Iterable[str], rejects: Sequence[Reject] = ()) -> Layout:
    """The layout of the files of an archive, as :func:`read_layout` makes it of a folder.

    Raises:
        LexipixError: A folder has two metadata files.
    """
    folders: dict[str, list[str]] = {"": []}
    foreign = dict[str, None]()
    for name in sorted(names):
        *parents, last = name.split("/")
        if any(part.startswith(".") for part in (*parents, last)):
            continue
        place = next((place for place, part in enumerate(parents, 1) if is_foreign(part)), None)
        if place is None:
            folders.setdefault("".join(f"{part}/" for part in parents), []).append(last)
        else:
            foreign["/".join(parents[:place])] = None
    listings = [_listing(root, prefix, files, []) for prefix, files in folders.items()]
    listings[0].rejects.extend(rejects)
    return Layout(_in_order(listings), list(foreign))


def _in_order(listings: list[Listing]) -> list[Listing]:
    return sorted(listings, key=lambda listing: listing.prefix.split("/")[:-1])


def _around(root: Path) -> set[tuple[int, int]]:
    """The folder itself and those that hold it: a link to one of them would lead outside and back."""
    try:
        return {_identity(folder.stat()) for folder in (root, *Path(os.path.realpath(root)).parents)}
    except OSError as error:
        raise LexipixError(_unreadable_root(root, error)) from None


def _identity(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino


def _seen_before(folder: Path, seen: set[tuple[int, int]], is_link: bool) -> str | None:
    """Why a folder is not read again, if it was seen before; else it is added."""
    try:
        status = folder.stat()
    except OSError:  # the listing gives the reason
        return None
    identity = _identity(status)
    if identity in seen and status.st_ino:
        return f"{'a link to ' if is_link else ''}a folder that is read already, or that holds this one"
    seen.add(identity)
    return None


def _kind(path: Path) -> str:
    """What a path is: file, folder, link (to a folder) or other; OSError if a link leads nowhere."""
    mode = path.stat().st_mode
    if stat.S_ISDIR(mode):
        return "link" if path.is_symlink() else "folder"
    return "file" if stat.S_ISREG(mode) else "other"


def _reason(error: OSError) -> str:
    if isinstance(error, FileNotFoundError):
        return "it is a link to something that does not exist"
    if isinstance(error, PermissionError):
        return "permission denied: check the permissions of the file or folder"
    return f"it cannot be read: {error.strerror}"


def _unreadable_root(root: Path, error: OSError) -> str:
    return f"ingestion.source.path is {root}, which cannot be read: {error.strerror}."


def is_like_metadata(name: str) -> bool:
    """Whether a file is called like a metadata file, whatever its suffix."""
    return fold(name).startswith(METADATA_STEMS)


def is_metadata(name: str) -> bool:
    """Whether a file is called like a metadata file that can be read."""
    path = PurePath(fold(name))
    return path.stem in METADATA_STEMS and path.suffix in METADATA_SUFFIXES


def is_foreign(name: str) -> bool:
    """Whether a folder of this name belongs to another program."""
    return _FOREIGN.fullmatch(name) is not None


def is_relevant(name: str) -> bool:
    """Whether a file of this name is an image or a caption file."""
    suffix = PurePath(name).suffix.lower()
    return suffix in suffixes() or suffix in CAPTION_SUFFIXES


def is_packed(name: str) -> bool:
    """Whether a file of this name is an archive or a table, which may hold images."""
    return is_archive(name) or name.lower().endswith(TABLE_SUFFIXES)


def caption_names(names: Sequence[str]) -> list[str]:
    """The files of a folder that may hold the captions of single images: texts, and records beside images."""
    images = (name for name in names if _suffix(name) in suffixes())
    owners = {fold(owner) for name in images for owner in (name, PurePath(name).stem)}
    return [
        name
        for name in names
        if _suffix(name) in CAPTION_SUFFIXES
        or (_suffix(name) == RECORD_SUFFIX and fold(PurePath(name).stem) in owners)
    ]


def _suffix(name: str) -> str:
    return PurePath(name).suffix.lower()


def _listing(root: Path, prefix: str, names: list[str], rejects: list[Reject]) -> Listing:
    metadata: list[str] = []
    for stem in METADATA_STEMS:
        metadata = metadata or [name for name in names if is_metadata(name) and fold(name).startswith(stem)]
    metadata.sort(key=lambda name: METADATA_SUFFIXES.index(PurePath(fold(name)).suffix))
    if len(metadata) > 1:
        raise LexipixError(f"{root / prefix} has both {' and '.join(metadata)}: delete one of them.")
    images = [name for name in names if _suffix(name) in suffixes()]
    texts = [name for name in caption_names(names) if name not in metadata]
    unreadable = [name for name in names if _suffix(name) in _UNREADABLE]
    known = {*metadata, *images, *texts}
    documents = [
        name
        for name in names
        if name not in known and (_suffix(name) in _DOCUMENTS or is_like_metadata(name))
    ]
    packed = [name for name in names if is_packed(name)]
    known |= {*unreadable, *documents, *packed}
    others = [name for name in names if name not in known and fold(name) not in _FOREIGN_FILES]
    first = metadata[0] if metadata else None
    return Listing(prefix, images, texts, unreadable, first, documents, packed, rejects, others)
