"""What commands show and where they write results."""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import click

_MAX_WARNINGS = 5


def save_results(files: dict[str, Any] | Iterable[tuple[str, Any]], folder: Path) -> Path:
    """Write results into a folder, or into an archive if the name ends in .tar; returns the path to show."""
    from lexipix.datasets.results import ARCHIVE, ResultsArchiveDataset, ResultsFolderDataset

    dataset = ResultsArchiveDataset if folder.suffix == ARCHIVE else ResultsFolderDataset
    dataset(filepath=str(folder)).save(files)
    try:  # a short path where the user is inside the project
        return folder.resolve().relative_to(Path.cwd())
    except ValueError:
        return Path(os.path.normpath(folder))


def show_warnings(warnings: Sequence[str]) -> None:
    """Show the first warnings and the number of the others."""
    for warning in warnings[:_MAX_WARNINGS]:
        click.secho(f"Warning: {warning}", fg="yellow", err=True)
    if len(warnings) > _MAX_WARNINGS:
        more = len(warnings) - _MAX_WARNINGS
        click.secho(f"Warning: {more} more prompts like these.", fg="yellow", err=True)
