"""Where what outlives a run is kept, when DVC runs it in a copy of the project."""

import os
from pathlib import Path


def project_root(project_path: Path) -> Path:
    """Give the folder that keeps the runs.

    ``dvc exp run --temp`` and ``--queue`` work in a copy that is deleted afterwards; DVC names the true
    root for the commands it starts.
    """
    root = os.environ.get("DVC_ROOT")
    return Path(root) if root and (Path(root) / ".dvc").is_dir() else project_path


def is_begun(store: str) -> bool:
    """Tell whether a tracking store is there; reading from SQLite would make it, which takes seconds."""
    return not store.startswith("sqlite:///") or Path(store.removeprefix("sqlite:///")).is_file()


def kept(path: Path) -> Path:
    """Give the file of the true project in place of the one in the copy that a command is started in."""
    copy, path = Path.cwd(), path.absolute()
    return project_root(copy) / path.relative_to(copy) if path.is_relative_to(copy) else path
