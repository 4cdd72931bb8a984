"""A user's folder of images as a source, in one of the usual layouts.

The caption comes from the first of: a metadata file such as ``metadata.jsonl`` in the image's folder or
above it, ``NAME.txt`` or ``NAME.caption`` beside the image, the name of the class folder. Otherwise the image
has no caption.
"""

import logging
import stat
from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

from lexipix.config.ingestion import IngestionParameters
from lexipix.datasets.sources.caption_files import read_captions
from lexipix.datasets.sources.class_captions import caption_from
from lexipix.datasets.sources.concepts import (
    Concept,
    are_classes,
    concept_of,
    find_style_field,
    held_out_pairs,
)
from lexipix.datasets.sources.folder_entries import Entry, list_entries
from lexipix.datasets.sources.folder_layout import find_splits, read_layout
from lexipix.datasets.sources.image_format import with_found_format
from lexipix.datasets.sources.images import MISSING, Unusable, read_image, suffixes
from lexipix.utils.errors import LexipixError
from lexipix.utils.machine import n_cores
from lexipix.utils.types import OpenedSource, Reject, SourceImage

_log = logging.getLogger(__name__)

Task = TypeVar("Task")
Result = TypeVar("Result")

_TASKS_PER_WORKER = 64  # tasks that are handed out together


def open_folder(root: Path, parameters: IngestionParameters) -> OpenedSource:
    """A folder as a source; its images are read in several threads.

    Raises:
        LexipixError: The folder does not exist, has no images, or has a contradictory layout.
    """
    try:
        found = None if stat.S_ISDIR(root.stat().st_mode) else "is a file"
    except (FileNotFoundError, NotADirectoryError, ValueError):
        found = "does not exist"
    except OSError as error:
        found = f"cannot be read ({error.strerror})"
    if found:
        raise LexipixError(
            f"ingestion.source.path is {root}, which {found}: set the folder of your images with "
            "--params=ingestion.source.path=DIR."
        )
    layout = read_layout(root)
    if layout.foreign:
        _log.info("Skipped folders that other programs left: %s.", ", ".join(layout.foreign))
    listings = layout.listings
    splits = find_splits(root, listings)
    if not any(listing.images or listing.metadata for listing in listings):
        first = next(
            (f" ({item.file}: {item.reason})" for listing in listings for item in listing.rejects), ""
        )
        raise LexipixError(
            f"ingestion.source.path is {root}, which has no images{first}: put files such as NAME.png there "
            f"or in subfolders (supported suffixes: {' '.join(sorted(suffixes()))})."
        )
    entries: list[Entry | Reject] = []
    for part in list_entries(root, listings, splits, parameters).values():
        # Exactly `limit` entries, evenly spread, because a folder lists its classes one after the other
        limit = min(parameters.source.max_images or len(part), len(part))
        entries += [entry for i, entry in enumerate(part) if i * limit % len(part) < limit]
    entries, facts = _grouped(entries, parameters)
    files = [root / entry.file for entry in entries if isinstance(entry, Entry)]
    parameters = with_found_format(parameters, files)
    facts |= {"image_size": parameters.size, "alpha": parameters.alpha}
    decided = frozenset(split for split in splits.values() if split and split != "train")
    read = partial(_read_entry, root, parameters)
    workers = parameters.workers or n_cores()
    return OpenedSource(partial(ordered_map, read, entries, workers), decided, len(entries), facts)


def _grouped(
    entries: Sequence[Entry | Reject], parameters: IngestionParameters
) -> tuple[list[Entry | Reject], dict[str, Any]]:
    """The entries with their groups and held-out pairs, and what was found in their captions and fields."""
    rows = [entry.captioned if isinstance(entry, Entry) else None for entry in entries]
    style_field = find_style_field(row for row in rows if row is not None)
    concepts = [None if row is None else concept_of(row, style_field) for row in rows]
    known = [concept for concept in concepts if concept is not None]
    pairs, by = held_out_pairs(known, parameters.splits.pairs), parameters.splits.by
    if by == "auto":
        by = "image" if not known or are_classes(known) else "concept"

    def grouped(entry: Entry | Reject, concept: Concept | None) -> Entry | Reject:
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


def _read_entry(root: Path, parameters: IngestionParameters, entry: Entry | Reject) -> SourceImage | Reject:
    """The image of an entry, read in a worker thread."""
    if isinstance(entry, Reject):
        return entry
    path, texts, template = root / entry.file, entry.texts, parameters.source.folder.label_template
    try:
        for file in entry.caption_files:
            texts = (*texts, *read_captions(root / file))
        image = read_image(path, parameters)
    except Unusable as reason:
        is_missing = str(reason) == MISSING
        named = f", but {entry.named_in} names it" if entry.named_in and is_missing else ""
        return Reject(entry.file, f"{reason}{named}")
    from_label = False
    if not any(texts) and entry.label and template:
        texts, from_label = (caption_from(template, label=entry.label),), True
    caption, *paraphrases = texts or (None,)
    return SourceImage(
        entry.file, image, caption, tuple(paraphrases), entry.label, entry.split,
        group=entry.group, is_held_out_pair=entry.is_held_out_pair,
        from_folder_name=from_label and entry.named_in is None,
    )  # fmt: skip


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
