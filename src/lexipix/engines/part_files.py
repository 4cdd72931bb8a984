"""The results of parts as files, so that only paths and digests pass between machines."""

import hashlib
import json
import logging
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from filelock import FileLock, Timeout

from lexipix.utils.atomic import replace_file
from lexipix.utils.errors import LexipixError

_log = logging.getLogger(__name__)

WAIT_SECONDS = 10.0  # for another process, which may be removing the folder


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


@contextmanager
def part_folder(folder: Path) -> Iterator[None]:
    """Hold a folder for the files of parts. It stays if the body fails, for the next run of the same work.

    Folders beside it are removed, of runs that were interrupted and never continued, unless a process holds
    them.

    Raises:
        LexipixError: Another process holds the folder.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        try:
            stack.enter_context(_locked(folder, WAIT_SECONDS))
        except Timeout:
            raise LexipixError(
                f"Another process does the same work, with {folder} for its parts: wait until it has ended."
            ) from None
        for other in folder.parent.iterdir():
            if other.is_dir() and other != folder:
                with suppress(Timeout), _locked(other, 0) as is_locked:
                    if is_locked:
                        shutil.rmtree(other)
        folder.mkdir(exist_ok=True)
        yield
        shutil.rmtree(folder)


@contextmanager
def _locked(folder: Path, seconds: float) -> Iterator[bool]:
    """Lock a folder by a file beside it; False where the disk has no locks, Timeout if a process holds it."""
    lock = FileLock(f"{folder}.lock", timeout=seconds)
    try:
        lock.acquire()
    except Timeout:
        raise
    except (OSError, NotImplementedError) as error:
        _log.warning("%s could not be locked (%s): do not start the same work twice.", folder, error)
        yield False
        return
    try:
        yield True
    finally:
        Path(lock.lock_file).unlink(missing_ok=True)  # while it is held: whoever waits takes a new file
        lock.release()


def read_part_file(file: PartFile) -> Any:
    """Return the content of a part's file.

    Raises:
        LexipixError: The file is missing or damaged.
    """
    path = Path(file.path)
    try:
        if _digest(path) != file.sha256:
            raise ValueError("it is not what the worker wrote")
        if path.suffix == ".npy":
            # Not memory-mapped: a network disk keeps an open file in its folder, which could not be removed
            return np.load(path, allow_pickle=False)
        return json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise LexipixError(
            f"{path}, the result of a worker, cannot be read ({error}): engine.kind = ray needs the project "
            "on a disk that all machines share. Delete the file and run the same command again."
        ) from error


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
