"""A user's folder of images as a source, in one of the usual layouts.

The caption comes from the first of: ``metadata.jsonl`` or ``metadata.csv`` in the image's folder or above it,
``NAME.txt`` beside the image, the name of the class folder. Otherwise the image has no caption.
"""

import logging
import posixpath
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from pathlib import Path, PurePath
from typing import Any, TypeVar

from lexipix.config.ingestion import IngestionParameters
from lexipix.datasets.sources.class_captions import caption_from
from lexipix.datasets.sources.concepts import (
    CaptionedRow,
    Concept,
    are_classes,
    concept_of,
    find_style_field,
    held_out_pairs,
)
from lexipix.datasets.sources.folder_layout import Listing, find_splits, list_folders
from lexipix.datasets.sources.folder_metadata import MAX_BYTES, read_rows
from lexipix.datasets.sources.image_format import with_found_format
from lexipix.datasets.sources.images import Unusable, read_image, suffixes
from lexipix.utils.errors import LexipixError
from lexipix.utils.machine import n_cores
from lexipix.utils.types import OpenedSource, Reject, SourceImage, SplitName

_log = logging.getLogger(__name__)

Task = TypeVar("Task")
Result = TypeVar("Result")

_TASKS_PER_WORKER = 64  # tasks that are handed out together


@dataclass(frozen=True, slots=True)
class _Entry:
    """An image to read, with its captions or their file."""

    file: str
    split: SplitName | None
    texts: tuple[str, ...] = ()
    label: str | None = None
    sidecar: str | None = None
    named_in: str | None = None
    captioned: CaptionedRow | None = None
    group: str | None = None
    is_held_out_pair: bool = False


def open_folder(root: Path, parameters: IngestionParameters) -> OpenedSource:
    """A folder as a source; its images are read in several threads.

    Raises:
        LexipixError: The folder does not exist, has no images, or has a contradictory layout.
    """
    if not root.is_dir():
        found = "is a file" if root.exists() else "does not exist"
        raise LexipixError(
            f"ingestion.source.path is {root}, which {found}: set the folder of your images with "
            "--params=ingestion.source.path=DIR."
        )
    listings = list_folders(root)
    splits = find_splits(root, listings)
    if not any(listing.images or listing.metadata for listing in listings):
        raise LexipixError(
            f"ingestion.source.path is {root}, which has no images: put files such as NAME.png there or in "
            f"subfolders (supported suffixes: {' '.join(sorted(suffixes()))})."
        )
    entries: list[_Entry | Reject] = []
    for part in _entries(root, listings, splits, parameters).values():
        # Exactly `limit` entries, evenly spread, because a folder lists its classes one after the other
        limit = min(parameters.source.max_images or len(part), len(part))
        entries += [entry for i, entry in enumerate(part) if i * limit % len(part) < limit]
    entries, facts = _grouped(entries, parameters)
    files = [root / entry.file for entry in entries if isinstance(entry, _Entry)]
    parameters = with_found_format(parameters, files)
    facts |= {"image_size": parameters.size, "alpha": parameters.alpha}
    decided = frozenset(split for split in splits.values() if split and split != "train")
    read = partial(_read_entry, root, parameters)
    workers = parameters.workers or n_cores()
    return OpenedSource(partial(ordered_map, read, entries, workers), decided, len(entries), facts)


def _grouped(
    entries: Sequence[_Entry | Reject], parameters: IngestionParameters
) -> tuple[list[_Entry | Reject], dict[str, Any]]:
    """The entries with their groups and held-out pairs, and what was found in their captions and fields."""
    rows = [entry.captioned if isinstance(entry, _Entry) else None for entry in entries]
    style_field = find_style_field(row for row in rows if row is not None)
    concepts = [None if row is None else concept_of(row, style_field) for row in rows]
    known = [concept for concept in concepts if concept is not None]
    pairs, by = held_out_pairs(known, parameters.splits.pairs), parameters.splits.by
    if by == "auto":
        by = "image" if not known or are_classes(known) else "concept"

    def grouped(entry: _Entry | Reject, concept: Concept | None) -> _Entry | Reject:
        if isinstance(entry, Reject) or concept is None:
            return entry
        group = concept.name if by == "concept" else None
        return replace(entry, group=group, is_held_out_pair=concept in pairs, captioned=None)

    if style_field is not None:
        message = "The field %r holds several styles of a concept; %s pairs of both are held out of training."
        _log.info(message, style_field, f"{len(pairs):,}")
    if by == "concept":
        n_concepts = len({concept.name for concept in known})
        _log.info("Captions name %s concepts: each is in one split only.", f"{n_concepts:,}")
    facts = {"split_by": by, "style_field": style_field}
    return [grouped(*both) for both in zip(entries, concepts, strict=True)], facts


def _entries(
    root: Path, listings: list[Listing], splits: dict[str, SplitName | None], parameters: IngestionParameters
) -> dict[str, list[_Entry | Reject]]:
    """Entries of each part: images in metadata files, then all other images."""
    entries: dict[str, list[_Entry | Reject]] = {prefix: [] for prefix in splits}
    named: set[str] = set()
    governed = tuple(listing.prefix for listing in listings if listing.metadata)
    for listing in listings:
        if listing.metadata is None:
            continue
        shown = listing.prefix + listing.metadata
        # Errors of a file above all parts are reported with the first part
        part = _part_of(listing.prefix, splits) or next(iter(splits))
        for row in read_rows(root / shown, shown, parameters.source.folder):
            if isinstance(row, Reject):
                entries[part].append(row)
                continue
            file = posixpath.normpath(listing.prefix + row.file_name)
            owner = None if file.startswith(("../", "/")) else _part_of(file, splits)
            if owner is None or (listing.prefix and owner != part):
                location = "outside of the folder" if owner is None else "in another split"
                reason = f"{row.place} names it, but it is {location}"
                entries[part].append(Reject(row.file_name, reason))
            elif file in named:
                entries[owner].append(Reject(file, f"named again in {row.place}; its first caption is used"))
            else:
                named.add(file)
                entry = _Entry(
                    file, splits[owner], row.texts, row.label, named_in=row.place, captioned=row.captioned
                )
                entries[owner].append(entry)
    for listing in listings:
        owner = _part_of(listing.prefix, splits)
        if owner is not None:
            is_class = listing.prefix != owner and not listing.prefix.startswith(governed)
            has_label = is_class and parameters.source.folder.label_template is not None
            label = PurePath(listing.prefix).name if has_label else None
            entries[owner] += _listed(listing, splits[owner], label, named)
    return entries


def _part_of(path: str, splits: Iterable[str]) -> str | None:
    """The prefix of the part that a path belongs to."""
    return next((prefix for prefix in splits if path.startswith(prefix)), None)


def _listed(
    listing: Listing, split: SplitName | None, label: str | None, named: set[str]
) -> Iterator[_Entry | Reject]:
    """Entries of a folder's files that no metadata file names."""
    for name in listing.images:
        file = listing.prefix + name
        if file not in named:
            sidecar = listing.sidecars.get(PurePath(name).stem)
            # If some images have caption files, the folder is no class, and the other images have no caption.
            label = None if listing.sidecars else label
            yield _Entry(
                file, split, (), label, sidecar, captioned=CaptionedRow(label, {}) if label else None
            )
    for name in listing.unreadable:
        reason = f"{PurePath(name).suffix} files are not supported: save the image as PNG, JPEG or WebP"
        yield Reject(listing.prefix + name, reason)
    for name in listing.orphans:
        yield Reject(listing.prefix + name, "a caption file without an image beside it")


def _read_entry(root: Path, parameters: IngestionParameters, entry: _Entry | Reject) -> SourceImage | Reject:
    """The image of an entry, read in a worker thread."""
    if isinstance(entry, Reject):
        return entry
    path, texts, template = root / entry.file, entry.texts, parameters.source.folder.label_template
    try:
        if entry.sidecar:
            texts = _read_sidecar(path.with_name(entry.sidecar))
        image = read_image(path, parameters)
    except Unusable as reason:
        named = f", but {entry.named_in} names it" if entry.named_in and not path.is_file() else ""
        return Reject(entry.file, f"{reason}{named}")
    if not any(texts) and entry.label and template:
        texts = (caption_from(template, label=entry.label),)
    caption, *paraphrases = texts or (None,)
    return SourceImage(
        entry.file, image, caption, tuple(paraphrases), entry.label, entry.split,
        group=entry.group, is_held_out_pair=entry.is_held_out_pair,
    )  # fmt: skip


def _read_sidecar(path: Path) -> tuple[str, ...]:
    """Captions in a text file, one per line; the first is the primary caption."""
    try:
        if (size := path.stat().st_size) > MAX_BYTES:
            raise Unusable(f"its caption file {path.name} has {size:,} bytes, allowed are {MAX_BYTES:,}")
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError:
        raise Unusable(f"its caption file {path.name} is not valid UTF-8") from None
    except OSError as error:
        raise Unusable(f"its caption file {path.name} cannot be read: {error.strerror}") from None
    return tuple(line for line in lines if line.strip())


def ordered_map(
    function: Callable[[Task], Result], tasks: Iterable[Task], workers: int
) -> Generator[Result, None, None]:
    """Yield ``function(task)`` for each task, in order, computed by threads.

    Threads help because Pillow's decoders release the GIL. Only some tasks and results are held at a time. If
    the caller stops early, tasks that have not started are dropped.
    """
    remaining = iter(tasks)
    with ThreadPoolExecutor(workers, thread_name_prefix="pictures") as pool:
        while some := list(islice(remaining, _TASKS_PER_WORKER * workers)):
            yield from pool.map(function, some)
