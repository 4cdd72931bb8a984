"""Artifacts of a project that was moved or copied: MLflow keeps their absolute places in its database."""

import logging
import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.parse import unquote, urlparse

from lexipix.utils.errors import LexipixError
from lexipix.utils.project_paths import exists

_log = logging.getLogger(__name__)
SQLITE, FOLDER = "sqlite:///", "mlartifacts"
_PLACES = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
    ("model_versions", "source"),
    ("model_versions", "storage_location"),
)


def relocate(store: str) -> None:
    """Let a SQLite store name the artifacts beside it, where the project was moved or copied with them.

    Other stores stay as they are, and so does a SQLite store that several projects share.

    Raises:
        LexipixError: The database cannot be used, or the artifacts were left in the old project.
    """
    database = Path(store.removeprefix(SQLITE).partition("?")[0])
    if not store.startswith(SQLITE) or not exists(database):
        return
    try:
        with closing(sqlite3.connect(database)) as connection:
            moved = _moved(connection, database.resolve().parent / FOLDER)
            for old, new in moved.items():
                with connection:
                    _rewrite(connection, old, new)
                _log.info(
                    "The project was moved or copied: its runs in MLflow now have their files in %s.", new
                )
    except sqlite3.Error as error:
        raise LexipixError(f"The MLflow store {store} cannot be used ({error}).") from error


def _moved(connection: sqlite3.Connection, root: Path) -> dict[Path, Path]:
    """The old folders of artifacts, of experiments that lexipix made, with the present one."""
    tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if "experiments" not in tables:  # a new store
        return {}
    moved = dict[Path, Path]()
    for name, location in connection.execute("SELECT name, artifact_location FROM experiments"):
        old = Path(unquote(urlparse(location or "").path))
        is_ours = old.name == name and old.parent.name == FOLDER and str(location).startswith("file:")
        if not is_ours or old.parent == root or (exists(old) and old.resolve() == (root / name).resolve()):
            continue
        if exists(root / name) or not exists(old):
            moved[old.parent] = root
        elif exists(root.parent / "pyproject.toml"):  # otherwise a store outside of any project
            raise LexipixError(
                f"{root.parent} was copied without {FOLDER}, and its runs still name {old.parent}: copy that "
                f"folder to {root}, or remove {root.with_name('mlflow.db')} to start without earlier runs."
            )
    return moved


def _rewrite(connection: sqlite3.Connection, old: Path, new: Path) -> None:
    for table, column in _PLACES:
        if column not in {row[1] for row in connection.execute(f"PRAGMA table_info({table})")}:
            continue
        for before, after in ((old.as_uri(), new.as_uri()), (str(old), str(new))):
            connection.execute(
                f"UPDATE {table} SET {column} = ? || substr({column}, ?) WHERE substr({column}, 1, ?) = ?",
                (f"{after}/", len(before) + 2, len(before) + 1, f"{before}/"),
            )
