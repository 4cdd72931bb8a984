"""A user's folder of images as a source, in one of the usual layouts.

The caption comes from the first of: ``metadata.jsonl`` or ``metadata.csv`` in the image's folder or above it,
``NAME.txt`` beside the image, the name of the class folder. Otherwise the image has no caption.
"""

import posixpath
from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePath

from lexipix.config.ingestion import IngestionParameters
from lexipix.datasets.sources.class_captions import caption_from
from lexipix.datasets.sources.folder_layout import Listing, Part, find_parts, scan, walk
from lexipix.datasets.sources.folder_metadata import check_fields, read_rows
from lexipix.datasets.sources.images import Missing, Unusable, read_image, suffixes
from lexipix.datasets.sources.pool import ordered_map
from lexipix.utils.errors import LexipixError
from lexipix.utils.machine import n_cores
from lexipix.utils.types import OpenedSource, Reject, SourceImage, SplitName

_MAX_CAPTION_BYTES = 2**20


@dataclass(frozen=True, slots=True)
class _Entry:
    """An image to read, with its captions or their file."""

    file: str
    path: str
    split: SplitName | None
    texts: tuple[str, ...] = ()
    label: str | None = None
    sidecar: Path | None = None
    named_in: str | None = None


def open_folder(root: Path, parameters: IngestionParameters) -> OpenedSource:
    """A folder as a source; its images are read in several threads.

    Raises:
        LexipixError: The folder does not exist, has no images, or has a contradictory layout.
    """
    if not root.exists():
        raise LexipixError(
            f"ingestion.source.path is {root}, which does not exist: set the folder of your images with "
            "--params=ingestion.source.path=DIR."
        )
    if not root.is_dir():
        raise LexipixError(
            f"ingestion.source.path is {root}, which is a file: set it to the folder of your images."
        )
    root = root.resolve()  # paths inside then start with it
    parts = find_parts(root)
    metadata = _metadata_files(root)
    if not metadata and not any(listing.pictures for part in parts for listing in walk(part.folder)):
        raise LexipixError(
            f"ingestion.source.path is {root}, which has no images: put files such as NAME.png there or in "
            f"subfolders (supported suffixes: {' '.join(sorted(suffixes()))})."
        )
    for path in metadata:
        check_fields(path, parameters.source.folder)
    splits = frozenset(part.split for part in parts if part.split and part.split != "train")
    n_pictures = sum(
        _n_kept(sum(len(listing.pictures) for listing in walk(part.folder)), parameters) for part in parts
    )
    return OpenedSource(partial(_read, root, parts, parameters), splits, n_pictures)


def _read(
    root: Path, parts: list[Part], parameters: IngestionParameters
) -> Generator[SourceImage | Reject, None, None]:
    workers = parameters.workers or n_cores()
    entries = _all_entries(root, parts, parameters)
    with closing(ordered_map(partial(_read_entry, parameters), entries, workers)) as pictures:
        yield from pictures


def _read_entry(parameters: IngestionParameters, entry: _Entry | Reject) -> SourceImage | Reject:
    """The image of an entry, read in a worker thread."""
    if isinstance(entry, Reject):
        return entry
    texts = entry.texts
    try:
        if entry.sidecar:
            texts = _read_sidecar(entry.sidecar)
        image = read_image(entry.path, parameters)
    except Missing as reason:
        named = f", but {entry.named_in} names it" if entry.named_in else ""
        return Reject(entry.file, f"{reason}{named}")
    except Unusable as reason:
        return Reject(entry.file, str(reason))
    if not any(texts) and entry.label and (template := parameters.source.folder.label_template):
        texts = (caption_from(template, label=entry.label),)
    caption, *paraphrases = texts or (None,)
    return SourceImage(entry.file, image, caption, tuple(paraphrases), entry.label, entry.split)


def _read_sidecar(path: Path) -> tuple[str, ...]:
    """Captions in a text file, one per line; the first is the primary caption."""
    try:
        with path.open("rb") as file:
            content = file.read(_MAX_CAPTION_BYTES + 1)
        if len(content) > _MAX_CAPTION_BYTES:
            raise Unusable(f"its caption file {path.name} is larger than {_MAX_CAPTION_BYTES:,} bytes")
        lines = content.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError:
        raise Unusable(f"its caption file {path.name} is not valid UTF-8") from None
    except OSError as error:
        raise Unusable(f"its caption file {path.name} cannot be read: {error.strerror}") from None
    return tuple(line for line in lines if line.strip())


def _all_entries(root: Path, parts: list[Part], parameters: IngestionParameters) -> Iterator[_Entry | Reject]:
    limit = parameters.source.max_pictures
    for part in parts:
        entries = partial(_entries, root, part, parts, parameters)
        if limit is None:
            yield from entries()
            continue
        total = sum(1 for _ in entries())
        # Exactly `limit` entries, evenly spread, because a folder lists its classes one after the other
        yield from (entry for i, entry in enumerate(entries()) if i * limit % total < limit)


def _n_kept(n_pictures: int, parameters: IngestionParameters) -> int:
    limit = parameters.source.max_pictures
    return n_pictures if limit is None else min(limit, n_pictures)


def _entries(
    root: Path, part: Part, parts: list[Part], parameters: IngestionParameters
) -> Iterator[_Entry | Reject]:
    """Entries of a part: images in its metadata files, then all other images."""
    named: set[str] = set()
    metadata = _metadata_files(part.folder)
    if part.folder != root:
        metadata = [*_own_metadata(root), *metadata]
    for path in metadata:
        for entry in _named_entries(root, path, part, parts, parameters):
            if isinstance(entry, _Entry):
                if entry.file in named:
                    yield Reject(entry.file, f"named again in {entry.named_in}; its first caption is used")
                    continue
                named.add(entry.file)
            yield entry
    governed = [path.parent for path in metadata]
    for listing in walk(part.folder):
        has_labels = (
            listing.folder != part.folder
            and parameters.source.folder.label_template is not None
            and not any(listing.folder.is_relative_to(folder) for folder in governed)
        )
        yield from _listed_entries(root, listing, part, named, has_labels)


def _named_entries(
    root: Path, metadata: Path, part: Part, parts: list[Part], parameters: IngestionParameters
) -> Iterator[_Entry | Reject]:
    shown = metadata.relative_to(root).as_posix()
    # A file above all parts is read once for each part; its errors are reported with the first part.
    reports = metadata.parent != root or part is parts[0]
    prefix = _prefix(metadata.parent, root)
    owners = [(other, _prefix(other.folder, root)) for other in parts]
    for row in read_rows(metadata, parameters.source.folder, shown):
        if isinstance(row, Reject):
            if reports:
                yield row
            continue
        file = posixpath.normpath(prefix + row.file_name)
        owner = next((other for other, inside in owners if file.startswith(inside)), None)
        if file.startswith(("../", "/")):
            owner = None
        if owner is part:
            named_in = f"{shown} line {row.line}"
            path = f"{root}/{file}"
            yield _Entry(file, path, part.split, row.texts, row.label, named_in=named_in)
        elif reports and (owner is None or metadata.parent != root):
            location = "outside of the folder" if owner is None else "in another split"
            yield Reject(row.file_name, f"{shown} line {row.line} names it, but it is {location}")


def _listed_entries(
    root: Path, listing: Listing, part: Part, named: set[str], has_labels: bool
) -> Iterator[_Entry | Reject]:
    prefix = _prefix(listing.folder, root)
    label = listing.folder.name if has_labels else None
    for name in listing.pictures:
        file = prefix + name
        if file in named:
            continue
        beside = listing.sidecars.get(PurePath(name).stem) if listing.sidecars else None
        sidecar = listing.folder / beside if beside else None
        # If some images have caption files, the folder is no class, and the other images have no caption.
        yield _Entry(
            file, f"{listing.folder}/{name}", part.split, (), None if listing.sidecars else label, sidecar
        )
    for name in listing.unreadable:
        suffix = Path(name).suffix
        yield Reject(prefix + name, f"{suffix} files are not supported: save the image as PNG, JPEG or WebP")
    for name in listing.orphans:
        yield Reject(prefix + name, "a caption file without an image beside it")


def _metadata_files(folder: Path) -> list[Path]:
    return [listing.folder / listing.metadata for listing in walk(folder) if listing.metadata]


def _own_metadata(folder: Path) -> list[Path]:
    metadata = scan(folder).metadata
    return [folder / metadata] if metadata else []


def _prefix(folder: Path, root: Path) -> str:
    """Prefix of names in a folder, relative to the root: "" or "train/"."""
    return "" if folder == root else folder.relative_to(root).as_posix() + "/"
