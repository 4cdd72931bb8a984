"""The rows of tables with images as entries, with their captions."""

import logging
from collections.abc import Sequence
from pathlib import Path, PurePath

from lexipix.config.ingestion import FolderSourceParameters
from lexipix.datasets.sources.folder_entries import Entry
from lexipix.datasets.sources.folder_metadata import FailedRow, check_templates, row_of, with_usual_field
from lexipix.datasets.sources.image_tables import ImageTable, open_table
from lexipix.datasets.sources.metadata_records import FILE_NAME
from lexipix.datasets.sources.split_folders import split_of
from lexipix.utils.errors import LexipixError
from lexipix.utils.types import Reject, SplitName

_log = logging.getLogger(__name__)
LABEL = "label"


def find_tables(root: Path, names: Sequence[str]) -> list[ImageTable]:
    """The tables with images among some files, in the order of their names.

    Raises:
        LexipixError: None has images, or they lie in folders of which each is a data set of its own.
    """
    found = {name: open_table(root / name, name) for name in sorted(names)}
    tables = [table for table in found.values() if table is not None]
    if not tables:
        raise LexipixError(
            f"ingestion.source.path is {root}, which has no images: {', '.join(sorted(names)[:3])} hold none "
            "(a column of bytes, or of structs with a field bytes)."
        )
    if others := [name for name, table in found.items() if table is None]:
        _log.warning("These files in %s have no images and are not read: %s.", root, ", ".join(others[:3]))
    folders = sorted({_folder(table.name) for table in tables})
    if len(folders) > 1:
        raise LexipixError(
            f"ingestion.source.path is {root}, which has a table of images in {folders[0]} and another in "
            f"{folders[1]}: set ingestion.source.path to one of these folders."
        )
    return tables


def _folder(name: str) -> str:
    """The folder of a table, without folders that mean splits."""
    return "/".join(part for part in PurePath(name).parent.parts if not split_of(part)) or "."


def table_entries(
    table: ImageTable, split: SplitName | None, parameters: FolderSourceParameters
) -> list[Entry | Reject]:
    """The entries of a table, a row each.

    Raises:
        LexipixError: It has texts, but not in the fields of any template, and no labels.
    """
    parameters = with_usual_field(table.fields, parameters)
    if table.texts or LABEL in table.fields:
        check_templates(table.path, table.fields, parameters)
    entries = list[Entry | Reject]()
    for number, record in enumerate(table.records() if table.fields else (), 1):
        file = table.file(number)
        row = row_of(f"{table.name} row {number}", {**record, FILE_NAME: file}, parameters)
        if isinstance(row, FailedRow):
            entries.append(Reject(file, row.reason))
        else:
            entries.append(
                Entry(file, split, row.texts, row.label, named_in=row.place, captioned=row.captioned)
            )
    return entries or [Entry(table.file(number), split) for number, _ in enumerate(table.images(), 1)]
