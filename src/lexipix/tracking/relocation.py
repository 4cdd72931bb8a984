"""Artifacts of a project that was moved or copied: MLflow keeps their absolute places in its database."""

import logging
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from urllib.parse import unquote, urlparse

from lexipix.utils.errors import LexipixError
from lexipix.utils.project_paths import exists, is_absent, sqlite_file

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

    A copy without them, whose original has a store of its own, keeps new runs beside it, and the files of
    earlier ones stay where they are. So it is where the original is gone. All else stays as it is: other
    stores, and places of another project that shares a SQLite store.

    Raises:
        LexipixError: The database cannot be used.
    """
    database = sqlite_file(store)
    if database is None or not exists(database):
        return
    try:
        with closing(sqlite3.connect(database)) as connection:
            root = database.resolve().parent / FOLDER
            moved = _moved(connection, root, database.name)
            with connection:
                for old, has_files in moved.items():
                    _rewrite(connection, old, root / old.name, _PLACES if has_files else _PLACES[:1])
        for old, has_files in moved.items():
            runs = "its runs" if has_files else f"its earlier runs have their files in {old}, new ones"
            _log.info("The project was moved or copied: in MLflow, %s have their files in %s.", runs, root)
    except sqlite3.Error as error:
        raise LexipixError(f"The MLflow store {store} cannot be used ({error}).") from error


def _moved(connection: sqlite3.Connection, root: Path, database: str) -> dict[Path, bool]:
    """The old folders of experiments that lexipix made, and whether their files came along.

    ``root`` is the folder of artifacts beside the store, whose file is called ``database``.
    """
    tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if "experiments" not in tables:  # a new store
        return {}
    places = connection.execute("SELECT name, artifact_location, NULL FROM experiments").fetchall()
    if "runs" in tables:
        places += connection.execute(
            "SELECT experiments.name, artifact_uri, run_uuid FROM runs JOIN experiments USING (experiment_id)"
        ).fetchall()
    new_runs_go_to, runs = set[Path](), dict[Path, list[str]]()
    for name, address, run in places:
        path = Path(unquote(urlparse(address or "").path))
        old = path if run is None else path.parent.parent  # EXPERIMENT/RUN/artifacts
        is_ours = old.name == name and old.parent.name == FOLDER and str(address).startswith("file:")
        if not is_ours or old.parent == root or (exists(old) and old.resolve() == (root / name).resolve()):
            continue
        known = runs.setdefault(old, [])
        if run is None:
            new_runs_go_to.add(old)
        else:
            known.append(run)
    moved = dict[Path, bool]()
    for old, ids in runs.items():
        new, original = root / old.name, old.parents[1]
        if any(exists(new / run) for run in ids) or (not ids and exists(new)):
            moved[old] = True
            continue
        is_copy = exists(original / database) or is_absent(original)
        if is_copy and old in new_runs_go_to and exists(root.parent / "pyproject.toml"):
            moved[old] = False
    return moved


def _rewrite(connection: sqlite3.Connection, old: Path, new: Path, places: Sequence[tuple[str, str]]) -> None:
    for table, column in places:
        if column not in {row[1] for row in connection.execute(f"PRAGMA table_info({table})")}:
            continue
        for before, after in ((old.as_uri(), new.as_uri()), (str(old), str(new))):
            # Tables and columns are those of PLACES, values are parameters
            connection.execute(
                f"UPDATE {table} SET {column} = ? || substr({column}, ?) "  # noqa: S608
                f"WHERE {column} = ? OR substr({column}, 1, ?) = ?",
                (after, len(before) + 1, before, len(before) + 1, f"{before}/"),
            )
