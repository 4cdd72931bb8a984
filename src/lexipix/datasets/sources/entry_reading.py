"""Reads the entries of a source: their images, in several threads, and what those have in common."""

import logging
import sys
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import PurePath
from typing import Any, Protocol, TypeVar

from lexipix.config.ingestion import IngestionParameters
from lexipix.datasets.sources.caption_files import captions_of
from lexipix.datasets.sources.class_captions import caption_from
from lexipix.datasets.sources.concepts import (
    Concept,
    are_classes,
    concept_of,
    find_style_field,
    held_out_pairs,
)
from lexipix.datasets.sources.file_tree import Content
from lexipix.datasets.sources.folder_entries import Entry
from lexipix.datasets.sources.image_format import with_found_format
from lexipix.datasets.sources.images import MISSING, Unusable, read_image
from lexipix.utils.machine import n_cores
from lexipix.utils.types import OpenedSource, Reject, SourceImage, SplitName

_log = logging.getLogger(__name__)

Task = TypeVar("Task")
Result = TypeVar("Result")
ContentOf = Callable[[str], Content]  # what a file of the source holds, by its name

_TASKS_PER_WORKER = 64  # tasks that are handed out together


class EntryReader(Protocol):
    """Where entries have their content from."""

    def tasks(self, entries: Iterable[Entry | Reject]) -> Iterator[tuple[Entry | Reject, ContentOf]]:
        """Entries in their order, each with what gives the content of its files."""

    def sample(self, files: Sequence[str]) -> tuple[Sequence[str], ContentOf]:
        """Images to look at for what all have in common."""


def opened(
    parts: Mapping[SplitName | None, Sequence[Entry | Reject]],
    reader: EntryReader,
    parameters: IngestionParameters,
    facts: Mapping[str, Any],
) -> OpenedSource:
    """The source of entries by their splits, the training part last; ``facts`` go to its summary."""
    entries: list[Entry | Reject] = []
    for part in parts.values():
        # Exactly `limit` entries, evenly spread, because a folder lists its classes one after the other
        limit = min(parameters.source.max_images or len(part), len(part))
        entries += [entry for i, entry in enumerate(part) if i * limit % len(part) < limit]
    entries, found = _grouped(entries, parameters)
    files, content = reader.sample([entry.file for entry in entries if isinstance(entry, Entry)])
    parameters = with_found_format(parameters, files, content)
    found |= {**facts, "image_size": parameters.size, "alpha": parameters.alpha}
    decided = frozenset(split for split in parts if split and split != "train")
    workers = parameters.workers or n_cores()
    read = partial(_read_entry, parameters)

    def read_some(start: int = 0, stop: int = sys.maxsize) -> Generator[SourceImage | Reject, None, None]:
        return ordered_map(read, reader.tasks(entries[start:stop]), workers)

    return OpenedSource(read_some, decided, len(entries), found)


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


def _read_entry(
    parameters: IngestionParameters, task: tuple[Entry | Reject, ContentOf]
) -> SourceImage | Reject:
    """The image of an entry, read in a worker thread."""
    entry, content = task
    if isinstance(entry, Reject):
        return entry
    texts, label = entry.texts, entry.label
    template = entry.label_template or parameters.source.folder.label_template
    try:
        for file in entry.caption_files:
            own, found = captions_of(content(file), PurePath(file).name, parameters.source.folder)
            texts, label = (*texts, *own), found or label
        image = read_image(content(entry.file), parameters)
    except Unusable as reason:
        is_missing = str(reason) == MISSING
        named = f", but {entry.named_in} names it" if entry.named_in and is_missing else ""
        return Reject(entry.file, f"{reason}{named}")
    from_label = False
    if not any(texts) and label and template:
        texts, from_label = (caption_from(template, label=label),), True
    caption, *paraphrases = texts or (None,)
    return SourceImage(
        entry.file, image, caption, tuple(paraphrases), label, entry.split,
        group=entry.group, is_held_out_pair=entry.is_held_out_pair,
        from_folder_name=from_label and entry.named_in is None and not entry.caption_files,
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
