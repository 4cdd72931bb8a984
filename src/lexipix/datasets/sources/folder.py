"""A user's images as a source: a folder in one of the usual layouts, an archive of it, or tables of images.

The caption comes from the first of: a metadata file such as ``metadata.jsonl`` in the image's folder or
above it, ``NAME.txt``, ``NAME.caption`` or ``NAME.json`` beside the image, the name of the class folder; in a
table from the image's row. Otherwise the image has no caption.
"""

import logging
import stat
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path

from lexipix.config.ingestion import IngestionParameters
from lexipix.datasets.sources.archives import open_archive, open_shards
from lexipix.datasets.sources.caption_files import check_unused, find_caption_files
from lexipix.datasets.sources.entry_reading import opened
from lexipix.datasets.sources.file_names import is_archive
from lexipix.datasets.sources.file_tree import FileTree
from lexipix.datasets.sources.folder_entries import Entry, list_entries
from lexipix.datasets.sources.folder_layout import Layout, Listing, is_packed, read_layout
from lexipix.datasets.sources.image_tables import TableSet
from lexipix.datasets.sources.images import suffixes
from lexipix.datasets.sources.repeat_folders import find_repeats
from lexipix.datasets.sources.shard_splits import find_shard_splits
from lexipix.datasets.sources.split_folders import find_splits
from lexipix.datasets.sources.table_entries import find_tables, table_entries
from lexipix.utils.errors import LexipixError
from lexipix.utils.types import OpenedSource, Reject, SplitName

_log = logging.getLogger(__name__)
_MAX_SHOWN = 5  # folders in a log line
_NOTHING = Layout([], [])
# What the package datasets writes beside tables
_OF_DATASETS = ("dataset_info.json", "dataset_infos.json", "dataset_dict.json", "state.json")

Splits = dict[str, SplitName | None]  # by the prefix of their part


def open_folder(root: Path, parameters: IngestionParameters) -> OpenedSource:
    """A folder, an archive or a table of images as a source; its images are read in several threads.

    Raises:
        LexipixError: It does not exist, has no images, is damaged, or has a contradictory layout.
    """
    try:
        mode = root.stat().st_mode
        found = None if stat.S_ISDIR(mode) else "is a file of another kind"
    except (FileNotFoundError, NotADirectoryError, ValueError):
        mode, found = 0, "does not exist"
    except OSError as error:
        mode, found = 0, f"cannot be read ({error.strerror})"
    if stat.S_ISREG(mode) and is_packed(root.name):
        return _open_packed(root.parent, [root.name], parameters)
    if found:
        raise LexipixError(
            f"ingestion.source.path is {root}, which {found}: set the folder of your images, an archive of "
            "it (.zip, .tar) or a table (.parquet, .arrow) with --params=ingestion.source.path=DIR."
        )
    layout = read_layout(root)
    packed = [f"{listing.prefix}{name}" for listing in layout.listings for name in listing.packed]
    if packed and not any(listing.images for listing in layout.listings):
        return _open_packed(root, packed, parameters, layout)
    tree = FileTree(root, layout.listings, foreign=layout.foreign)
    return _open_tree(tree, find_splits(root, layout.listings), parameters)


def _open_packed(
    root: Path, names: list[str], parameters: IngestionParameters, outer: Layout = _NOTHING
) -> OpenedSource:
    """A source whose images lie in archives or tables, with the captions beside them in a folder."""
    if archives := [name for name in names if is_archive(name)]:
        return _open_archives(root, archives, parameters, outer)
    _report_foreign(outer.foreign)
    tables = {table.name: table for table in find_tables(root, names)}
    parts: dict[SplitName | None, list[Entry | Reject]] = defaultdict(list)
    order = find_shard_splits(root, list(tables))
    for name, split in order.items():
        parts[split] += table_entries(tables[name], split, parameters.source.folder)
    _check_beside_tables(root, outer.listings, set(tables), parts)
    return opened(parts, TableSet([tables[name] for name in order]), parameters, {})


def _open_archives(
    root: Path, names: list[str], parameters: IngestionParameters, outer: Layout
) -> OpenedSource:
    """A source whose images lie in archives; one archive stands for the folder that it lies in."""
    beside = {
        file: root / file
        for listing in outer.listings
        for file in (listing.prefix + name for name in (*listing.used, *listing.others))
        if file not in names
    }
    splits: Splits = {}
    if len(names) == 1:
        folder = f"{names[0].rpartition('/')[0]}/"
        own = {file.removeprefix(folder): path for file, path in beside.items()}
        tree = open_archive(root / names[0], own)
    else:
        tree = open_shards(root, names, beside)
        splits = {f"{name}/": split for name, split in find_shard_splits(root, names).items()}
    tree.listings[0].rejects.extend(reject for listing in outer.listings for reject in listing.rejects)
    tree = replace(tree, foreign=[*outer.foreign, *tree.foreign])
    if not any(splits.values()):
        inner = find_splits(tree.root, tree.listings)
        splits = inner if any(inner.values()) else splits or inner
    return _open_tree(tree, splits, parameters)


def _check_beside_tables(
    root: Path,
    listings: Sequence[Listing],
    tables: Collection[str],
    parts: Mapping[SplitName | None, Sequence[Entry | Reject]],
) -> None:
    """Report captions beside tables of images, which are not read; stop if the tables have none."""
    files = [
        listing.prefix + name
        for listing in listings
        for name in ([listing.metadata] if listing.metadata else []) + listing.documents
        if name not in _OF_DATASETS
    ]
    unused = [*(file for file in files if file not in tables), *find_caption_files(listings).unused]
    entries = [entry for part in parts.values() for entry in part if isinstance(entry, Entry)]
    has_captions = any(entry.texts or entry.label for entry in entries)
    how = "In a folder of tables, captions are read from a column of the table that holds the images."
    check_unused(root, unused, len(entries), has_captions, how)


def _report_foreign(folders: Sequence[str]) -> None:
    if folders:
        _log.info("Skipped folders that other programs left: %s.", ", ".join(folders))


def _open_tree(tree: FileTree, splits: Splits, parameters: IngestionParameters) -> OpenedSource:
    """A source whose images are files."""
    _report_foreign(tree.foreign)
    if not any(listing.images or listing.metadata for listing in tree.listings):
        rejects = (f"{item.file}: {item.reason}" for listing in tree.listings for item in listing.rejects)
        others = (
            f"{listing.prefix}{name} is none by its name"
            for listing in tree.listings
            for name in listing.others
        )
        first = next((f" ({reason})" for reason in chain(rejects, others)), "")
        raise LexipixError(
            f"ingestion.source.path is {tree.root}, which has no images{first}: put files such as NAME.png "
            f"there or in subfolders (supported suffixes: {' '.join(sorted(suffixes()))})."
        )
    repeats = find_repeats(tree.prefixes(), splits) if parameters.source.folder.label_template else {}
    if repeats:
        shown = ", ".join(f"{one.count} of {one.name}" for one in list(repeats.values())[:_MAX_SHOWN])
        _log.info("Repeat counts in names of folders are not used, each image counts once: %s.", shown)
    parts: dict[SplitName | None, list[Entry | Reject]] = defaultdict(list)
    for prefix, part in list_entries(tree, splits, repeats, parameters).items():
        parts[splits[prefix]] += part
    facts = {"repeats": {name: one.count for name, one in repeats.items()}} if repeats else {}
    return opened(parts, tree, parameters, facts)
