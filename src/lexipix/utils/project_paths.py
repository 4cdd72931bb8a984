"""Paths that outlive a run, also where DVC runs it in a copy of the project."""

import os
from pathlib import Path


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


def store_exists(store: str) -> bool:
    """Whether a tracking store exists; opening a missing SQLite store would create it, in seconds."""
    return not store.startswith("sqlite:///") or Path(store.removeprefix("sqlite:///")).is_file()
