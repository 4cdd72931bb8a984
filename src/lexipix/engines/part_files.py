"""The results of parts as files, so that only paths and digests pass between machines."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from lexipix.utils.atomic import replace_file
from lexipix.utils.errors import LexipixError


class PartFile(NamedTuple):
    """The file of a part's result."""

    path: str
    sha256: str


def write_part_file(
    numbered: tuple[int, Any], folder: Path, function: Callable[..., Any], *arguments: Any
) -> PartFile:
    """Write ``function(part, *arguments)``, an array as ``.npy`` or a list as JSON, unless there is a file.

    Files are renamed when they are complete, so that a file is the result of an interrupted run.
    """
    number, part = numbered
    for finished in folder.glob(f"{number:05}.*"):
        return PartFile(str(finished), _digest(finished))
    content = function(part, *arguments)
    is_array = isinstance(content, np.ndarray)
    path = folder / f"{number:05}{'.npy' if is_array else '.json'}"
    with replace_file(path) as temporary:
        if is_array:
            np.save(temporary, content, allow_pickle=False)
        else:
            temporary.write_text(json.dumps(content), encoding="utf-8")
    return PartFile(str(path), _digest(path))


def read_part_file(file: PartFile) -> Any:
    """Return the content of a part's file, arrays memory-mapped.

    Raises:
        LexipixError: The file is missing or damaged.
    """
    path = Path(file.path)
    try:
        if _digest(path) != file.sha256:
            raise ValueError("it is not what the worker wrote")
        if path.suffix == ".npy":
            return np.load(path, mmap_mode="r", allow_pickle=False)
        return json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise LexipixError(
            f"{path}, the result of a worker, cannot be read ({error}): engine.kind = ray needs the project "
            "on a disk that all machines share. Delete the file and run the same command again."
        ) from error


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
