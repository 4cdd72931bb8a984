"""Artifacts of a project that was moved or copied: MLflow keeps their absolute places in its database."""

import logging
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from urllib.parse import unquote, urlparse

from lexipix.utils.errors import LexipixError
from lexipix.utils.project_paths import exists, sqlite_file

_log = logging.getLogger(__name__)
FOLDER = "mlartifacts"
_PLACES = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
    ("model_versions", "source"),
    ("model_versions", "storage_location"),
)


def relocate(store: str) -> None:
    """Let a SQLite store name the artifacts beside it, where the project was moved or copied.

    Without them, only new runs are kept beside it, and the files of earlier ones stay where they are. Other
    stores stay as they are, and so does a SQLite store that several projects share.

    Raises:
        LexipixError: The database cannot be used.
    """
    database = sqlite_file(store)
    if database is None or not exists(database):
        return
    try:
        with closing(sqlite3.connect(database)) as connection:
            new = database.resolve().parent / FOLDER
            for old, has_files in _moved(connection, new).items():
                with connection:
                    _rewrite(connection, old, new, _PLACES if has_files else _PLACES[:1])
                runs = (
                    "its runs"
                    if has_files
                    else f"its earlier runs in MLflow have their files in {old}, new ones"
                )
                _log.info("The project was moved or copied: %s have their files in %s.", runs, new)
    except sqlite3.Error as error:
        raise LexipixError(f"The MLflow store {store} cannot be used ({error}).") from error


def _moved(connection: sqlite3.Connection, root: Path) -> dict[Path, bool]:
    """The old folders of artifacts, of experiments that lexipix made, and whether their files came along."""
    tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if "experiments" not in tables:  # a new store
        return {}
    moved = dict[Path, bool]()
    for name, location in connection.execute("SELECT name, artifact_location FROM experiments"):
        old = Path(unquote(urlparse(location or "").path))
        is_ours = old.name == name and old.parent.name == FOLDER and str(location).startswith("file:")
        if not is_ours or old.parent == root or (exists(old) and old.resolve() == (root / name).resolve()):
            continue
        if exists(root / name) or not exists(old):
            moved[old.parent] = True
        elif exists(root.parent / "pyproject.toml"):  # otherwise a store outside of any project
            moved.setdefault(old.parent, False)
    return moved


def _rewrite(connection: sqlite3.Connection, old: Path, new: Path, places: Sequence[tuple[str, str]]) -> None:
    for table, column in places:
        if column not in {row[1] for row in connection.execute(f"PRAGMA table_info({table})")}:
            continue
        for before, after in ((old.as_uri(), new.as_uri()), (str(old), str(new))):
            # Tables and columns are those of PLACES, values are parameters
            connection.execute(
                f"UPDATE {table} SET {column} = ? || substr({column}, ?) "  # noqa: S608
                f"WHERE substr({column}, 1, ?) = ?",
                (f"{after}/", len(before) + 2, len(before) + 1, f"{before}/"),
            )
