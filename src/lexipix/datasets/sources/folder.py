"""A user's images as a source: a folder in one of the usual layouts, an archive of it, or tables of images.

The caption comes from the first of: a metadata file such as ``metadata.jsonl`` in the image's folder or
above it, ``NAME.txt``, ``NAME.caption`` or ``NAME.json`` beside the image, the name of the class folder; in a
table from the image's row. Otherwise the image has no caption.
"""

import logging
import stat
from collections import defaultdict
from pathlib import Path

from lexipix.config.ingestion import IngestionParameters
from lexipix.datasets.sources.archives import open_archive, open_shards
from lexipix.datasets.sources.entry_reading import opened
from lexipix.datasets.sources.file_names import ARCHIVE_SUFFIXES
from lexipix.datasets.sources.file_tree import FileTree
from lexipix.datasets.sources.folder_entries import Entry, list_entries
from lexipix.datasets.sources.folder_layout import TABLE_SUFFIXES, read_layout
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
    if stat.S_ISREG(mode) and root.name.lower().endswith(ARCHIVE_SUFFIXES + TABLE_SUFFIXES):
        return _open_packed(root.parent, [root.name], parameters)
    if found:
        raise LexipixError(
            f"ingestion.source.path is {root}, which {found}: set the folder of your images, an archive of "
            "it (.zip, .tar) or a table (.parquet, .arrow) with --params=ingestion.source.path=DIR."
        )
    layout = read_layout(root)
    if layout.foreign:
        _log.info("Skipped folders that other programs left: %s.", ", ".join(layout.foreign))
    packed = [f"{listing.prefix}{name}" for listing in layout.listings for name in listing.packed]
    if packed and not any(listing.images for listing in layout.listings):
        return _open_packed(root, packed, parameters)
    tree = FileTree(root, layout.listings)
    return _open_tree(tree, find_splits(root, layout.listings), parameters)


def _open_packed(root: Path, names: list[str], parameters: IngestionParameters) -> OpenedSource:
    """A source whose images lie in archives or tables."""
    archives = [name for name in names if name.lower().endswith(ARCHIVE_SUFFIXES)]
    if len(archives) == 1:
        tree = open_archive(root / archives[0])
        return _open_tree(tree, find_splits(tree.root, tree.listings), parameters)
    if archives:
        tree = open_shards(root, archives)
        splits = {f"{name}/": split for name, split in find_shard_splits(root, archives).items()}
        if not any(splits.values()) and any((inner := find_splits(root, tree.listings)).values()):
            splits = inner
        return _open_tree(tree, splits, parameters)
    tables = {table.name: table for table in find_tables(root, names)}
    parts: dict[SplitName | None, list[Entry | Reject]] = defaultdict(list)
    order = find_shard_splits(root, list(tables))
    for name, split in order.items():
        parts[split] += table_entries(tables[name], split, parameters.source.folder)
    return opened(parts, TableSet([tables[name] for name in order]), parameters, {})


def _open_tree(tree: FileTree, splits: Splits, parameters: IngestionParameters) -> OpenedSource:
    """A source whose images are files."""
    if not any(listing.images or listing.metadata for listing in tree.listings):
        first = next(
            (f" ({item.file}: {item.reason})" for listing in tree.listings for item in listing.rejects), ""
        )
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
