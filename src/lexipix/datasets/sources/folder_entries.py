"""The images of a folder before they are read, with their captions or the files that hold these."""

import logging
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path, PurePath

from lexipix.config.ingestion import IngestionParameters
from lexipix.datasets.sources.caption_files import NOTES, CaptionFiles, check_unused, find_caption_files
from lexipix.datasets.sources.concepts import CaptionedRow
from lexipix.datasets.sources.file_names import ImageNames, fold, is_archive
from lexipix.datasets.sources.file_tree import FileTree
from lexipix.datasets.sources.folder_layout import Listing
from lexipix.datasets.sources.folder_metadata import FailedRow, Row, read_rows
from lexipix.datasets.sources.images import Unusable
from lexipix.datasets.sources.repeat_folders import RepeatFolder
from lexipix.datasets.sources.split_folders import class_of
from lexipix.utils.errors import LexipixError
from lexipix.utils.types import Reject, SplitName

_log = logging.getLogger(__name__)

_MAX_SHOWN = 5  # files in a log line


@dataclass(frozen=True, slots=True)
class Entry:
    """An image to read, with its captions or their files."""

    file: str
    split: SplitName | None
    texts: tuple[str, ...] = ()
    label: str | None = None
    caption_files: tuple[str, ...] = ()
    named_in: str | None = None
    captioned: CaptionedRow | None = None
    label_template: str | None = None  # of this image; None: that of the parameters
    group: str | None = None
    is_held_out_pair: bool = False


Entries = dict[str, list[Entry | Reject]]  # by the prefix of their part


def list_entries(
    tree: FileTree,
    splits: Mapping[str, SplitName | None],
    repeats: Mapping[str, RepeatFolder],
    parameters: IngestionParameters,
) -> Entries:
    """Entries of each part: images in metadata files, then all other images.

    Raises:
        LexipixError: A metadata file names too few images, or captions lie in files that are not read.
    """
    listings = tree.listings
    entries: Entries = {prefix: [] for prefix in splits}
    caption_files = find_caption_files(listings)
    governed = tuple(listing.prefix for listing in listings if listing.metadata)
    documents = (listing.prefix + name for listing in listings for name in listing.documents)
    unused = [*documents, *caption_files.unused]
    n_images = sum(len(listing.images) for listing in listings)
    check_unused(tree.root, unused, n_images, bool(governed or caption_files.of_image))
    named = _add_named(tree, splits, parameters, caption_files, entries)
    _report_skipped(tree.root, listings, named)
    n_ignored = sum(
        bool(entry.texts) and entry.file in caption_files.of_image
        for part in entries.values()
        for entry in part
        if isinstance(entry, Entry)
    )
    if n_ignored:
        _log.warning(
            "%s images have captions in a metadata file: their own caption files are not read.", n_ignored
        )
    orphans = set(caption_files.orphans)
    for listing in listings:
        owner = part_of(listing.prefix, splits)
        # What is wrong above all parts is reported with the first part
        entries[owner or next(iter(splits))] += listing.rejects
        if owner is not None:
            is_class = not listing.prefix.startswith(governed)
            has_label = is_class and parameters.source.folder.label_template is not None
            label = class_of(listing.prefix, splits) if has_label else None
            repeat = repeats.get(label) if label else None
            entries[owner] += _listed(listing, splits[owner], repeat or label, named, caption_files.of_image)
        entries[owner or next(iter(splits))] += [
            Reject(listing.prefix + name, "a caption file without an image beside it")
            for name in listing.texts
            if listing.prefix + name in orphans
        ]
    return entries


def part_of(path: str, splits: Iterable[str]) -> str | None:
    """The prefix of the part that a path belongs to."""
    return next((prefix for prefix in splits if path.startswith(prefix)), None)


def _add_named(
    tree: FileTree,
    splits: Mapping[str, SplitName | None],
    parameters: IngestionParameters,
    caption_files: CaptionFiles,
    entries: Entries,
) -> set[str]:
    """Add the images that metadata files name; returns their files, and those whose rows failed."""
    root, listings = tree.root, tree.listings
    names = (listing.prefix + name for listing in listings for name in listing.images)
    images = ImageNames(root, names, tree.top)
    places: dict[str, tuple[str, int]] = {}  # part and position of the entries that are named
    failed: set[str] = set()
    for listing in listings:
        if listing.metadata is None:
            continue
        shown = listing.prefix + listing.metadata
        # Errors of a file above all parts are reported with the first part
        part = part_of(listing.prefix, splits) or next(iter(splits))
        rows = read_rows(tree.place(shown), shown, parameters.source.folder, _packed(tree, shown))
        files = [
            None if row.file_name is None else images.find(listing.prefix, row.file_name) for row in rows
        ]
        good = {file for row, file in zip(rows, files, strict=True) if isinstance(row, Row)}
        for row, file in zip(rows, files, strict=True):
            if isinstance(row, FailedRow):
                # The image of a failed row is itself the reject, if no other row names it
                is_image = file is not None and file in images and file not in good and file not in places
                owner = part_of(file, splits) if is_image and file is not None else None
                if file is None or owner is None:
                    entries[part].append(Reject(f"{shown}:{row.place.rpartition(' ')[2]}", row.reason))
                elif file not in failed:
                    failed.add(file)
                    entries[owner].append(Reject(file, f"{row.place}: {row.reason}"))
                continue
            assert file is not None
            owner = None if file.startswith(("../", "/")) else part_of(file, splits)
            if owner is None or (listing.prefix and owner != part):
                location = "outside of the folder" if owner is None else "in another split"
                reason = f"{row.place} names it, but it is {location}"
                entries[part].append(Reject(row.file_name, reason))
            elif file in places:
                part_entries, position = entries[places[file][0]], places[file][1]
                part_entries[position] = _with_row(part_entries[position], row)
            else:
                places[file] = owner, len(entries[owner])
                own = () if row.texts else caption_files.of_image.get(file, ())
                entry = Entry(file, splits[owner], row.texts, row.label, own, row.place, row.captioned)
                entries[owner].append(entry)
        known = failed | set(places) | set(caption_files.of_image)
        _check_share(
            tree.place(shown), listing.prefix, listings, known, parameters.source.folder.min_named_share
        )
    return failed | set(places)


def _packed(tree: FileTree, file: str) -> BytesIO | None:
    """The content of a metadata file in an archive; None for one on disk."""
    try:
        content = tree.content(file)
    except Unusable as reason:
        raise LexipixError(f"{tree.place(file)} cannot be read, it is {reason}.") from None
    return content if isinstance(content, BytesIO) else None


def _with_row(entry: Entry | Reject, row: Row) -> Entry | Reject:
    """An entry with the captions of a further row of its image."""
    assert isinstance(entry, Entry)
    texts = tuple(dict.fromkeys((*entry.texts, *row.texts)))
    return replace(
        entry,
        texts=texts,
        label=entry.label or row.label,
        caption_files=() if texts else entry.caption_files,
        captioned=entry.captioned or row.captioned,
    )


def _check_share(
    path: Path, prefix: str, listings: Sequence[Listing], known: set[str], allowed: float
) -> None:
    """Stop if a metadata file names too few of the images in its folder and below."""
    inner = tuple(
        listing.prefix
        for listing in listings
        if listing.metadata and listing.prefix != prefix and listing.prefix.startswith(prefix)
    )
    files = [
        listing.prefix + name
        for listing in listings
        if listing.prefix.startswith(prefix) and not listing.prefix.startswith(inner)
        for name in listing.images
    ]
    missing = [file for file in files if file not in known]
    if len(files) - len(missing) < allowed * len(files):
        raise LexipixError(
            f"{path} names {len(files) - len(missing):,} of {len(files):,} images of its folder, not "
            f"{', '.join(missing[:3])}{' and others' if missing[3:] else ''}. Add rows for them (without "
            "a text for an image without a caption), or set ingestion.source.folder.min_named_share, "
            f"which is {allowed:g}, to 0."
        )


def _report_skipped(root: Path, listings: Sequence[Listing], named: Collection[str]) -> None:
    """Report files that are no images or captions by their names, and archives beside images, in one line."""
    skipped = [
        listing.prefix + name
        for listing in listings
        for name in (*listing.others, *(one for one in listing.packed if is_archive(one)))
        if not fold(name).startswith(NOTES)
    ]
    if skipped := [file for file in skipped if file not in named]:
        shown = ", ".join(skipped[:_MAX_SHOWN]) + (", …" if skipped[_MAX_SHOWN:] else "")
        _log.warning(
            "%s files in %s are not read, since their suffix is of no image or caption file, or they are "
            "archives beside images: %s.", f"{len(skipped):,}", root, shown,
        )  # fmt: skip


def _listed(
    listing: Listing,
    split: SplitName | None,
    label: RepeatFolder | str | None,
    named: set[str],
    caption_files: Mapping[str, tuple[str, ...]],
) -> Iterator[Entry | Reject]:
    """Entries of a folder's files that no metadata file names."""
    files = [listing.prefix + name for name in listing.images]
    template = None
    if isinstance(label, RepeatFolder):
        label, template = label.name, "{label}"
    elif any(file in caption_files for file in files):
        label = None  # the folder is no class, and the other images have no caption
    for file in files:
        if file in named:
            continue
        own = caption_files.get(file, ())
        known = None if own else label
        captioned = CaptionedRow(known, {}) if known else None
        yield Entry(file, split, (), known, own, captioned=captioned, label_template=template)
    for name in listing.unreadable:
        reason = f"{PurePath(name).suffix} files are not supported: save the image as PNG, JPEG or WebP"
        yield Reject(listing.prefix + name, reason)
