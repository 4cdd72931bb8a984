"""Paths that outlive a run, also where DVC runs it in a copy of the project."""

import os
from pathlib import Path

SQLITE = "sqlite:///"  # begins the address of a tracking store in SQLite


def project_root(project_path: Path) -> Path:
    """The folder that keeps the MLflow store.

    ``dvc exp run --temp`` and ``--queue`` work in a copy, and set ``DVC_ROOT`` to the main project.
    """
    root = os.environ.get("DVC_ROOT")
    return Path(root) if root and (Path(root) / ".dvc").is_dir() else project_path


def exists(path: Path) -> bool:
    """Whether there is something at a path; False if the system refuses to say, or the path is no path."""
    try:
        return path.exists()
    except (OSError, ValueError):
        return False


def is_address(path: str) -> bool:
    """Whether a path of the catalog is an address of another machine, such as ``s3://bucket/images``."""
    return "://" in path


def is_absent(path: Path) -> bool:
    """Whether there is surely nothing at a path, or it is no path; False if the system refuses to say."""
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return True
    except OSError:
        return False
    return False


def sqlite_file(store: str) -> Path | None:
    """The file of a tracking store in SQLite, without the options of its address; None for another store."""
    return Path(store.removeprefix(SQLITE).partition("?")[0]) if store.startswith(SQLITE) else None


def store_exists(store: str) -> bool:
    """Whether a tracking store exists; opening a missing SQLite store would create it, in seconds."""
    file = sqlite_file(store)
    return file is None or file.is_file()
