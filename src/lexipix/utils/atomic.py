"""Atomic replacement: data is written under a temporary name beside its target and renamed when complete.

A full disk, Ctrl-C or a killed process leaves the old data in place, and never an incomplete file. Whichever
library wrote a file, its permissions are those that the user's umask gives to new files.
"""

import errno
import logging
import os
import re
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from lexipix.utils.errors import LexipixError
from lexipix.utils.permissions import DENIED

_log = logging.getLogger(__name__)
_LEFTOVER = re.compile(r"\..*\.(\d+)\.(?:part|old)(?:\..*)?")  # the number is that of the process


@contextmanager
def replace_file(path: Path) -> Iterator[Path]:
    """Yield a temporary path with the same suffix, which replaces ``path`` when the block ends without error.

    Raises:
        LexipixError: The disk is full, or the folder is not writable; ``path`` is unchanged.
    """
    with _readable_errors(path):
        temporary = _beside(path, "part")
        try:
            mode = _usual_mode(temporary)
            yield temporary
            _set_mode(temporary, mode)
            os.replace(temporary, path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise


@contextmanager
def replace_folder(path: Path) -> Iterator[Path]:
    """Yield a new empty folder beside ``path`` that replaces it when the block ends without an error.

    A folder cannot be renamed over one that is not empty, so the old one is renamed first. A process killed
    between the two renames leaves no folder at all, never a mixture of old and new.

    Raises:
        LexipixError: The disk is full, or the folder is not writable; ``path`` is unchanged.
    """
    with _readable_errors(path):
        temporary, old = _beside(path, "part"), _beside(path, "old")
        temporary.mkdir()
        try:
            mode = _usual_mode(temporary / ".mode")
            yield temporary
            for folder, _, files in os.walk(temporary):
                for name in files:
                    _set_mode(Path(folder, name), mode)
            if path.exists():
                os.replace(path, old)
            os.replace(temporary, path)
        except BaseException:
            shutil.rmtree(temporary, ignore_errors=True)
            if old.exists() and not path.exists():
                os.replace(old, path)
            raise
        shutil.rmtree(old, ignore_errors=True)


@contextmanager
def _readable_errors(path: Path) -> Iterator[None]:
    """Report a full disk or a folder that is not writable in one sentence."""
    try:
        yield
    except OSError as error:
        reasons = {
            errno.ENOSPC: "the disk is full: free some space and run the same command again",
            errno.EDQUOT: "your disk quota is exceeded: free some space and run the same command again",
            errno.EFBIG: "it is larger than the system lets a file be (ulimit -f): raise that limit",
            **dict.fromkeys(DENIED, "permission denied: check the folder's owner and permissions"),
            errno.EROFS: "the file system is read-only: move the project to a writable one",
        }
        if error.errno not in reasons:
            raise
        raise LexipixError(f"{path} could not be written, {reasons[error.errno]}.") from error


def _usual_mode(unused: Path) -> int:
    """The permissions of a new file here, by the user's umask and the folder's own rules."""
    unused.touch()
    mode = stat.S_IMODE(unused.stat().st_mode)
    unused.unlink()
    return mode


def _set_mode(file: Path, mode: int) -> None:
    """Some libraries create files that only their owner can read; a file system may have no permissions."""
    if not file.is_symlink() and stat.S_IMODE(file.stat().st_mode) != mode:
        with suppress(OSError):
            file.chmod(mode)


def remove_leftovers(folder: Path) -> None:
    """Remove the temporary files of processes that no longer run, from a data folder's layers of results."""
    layers = [layer for layer in folder.glob("0[2-9]_*") if layer.is_dir()]  # the first holds the user's data
    for path, folders, files in (found for layer in layers for found in os.walk(layer)):
        for name in [*folders, *files]:
            _remove_leftover(Path(path, name))


def _beside(path: Path, ending: str) -> Path:
    """A temporary name beside ``path``; those of processes that no longer run are removed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    for leftover in path.parent.glob(f".{path.stem}.*.{ending}{path.suffix}"):
        _remove_leftover(leftover)
    return path.with_name(f".{path.stem}.{os.getpid()}.{ending}{path.suffix}")


def _remove_leftover(path: Path) -> None:
    """Remove a path if it is temporary, and this process or one that no longer runs made it."""
    match = _LEFTOVER.fullmatch(path.name)
    if match is None:
        return
    import psutil

    if int(match[1]) != os.getpid() and psutil.pid_exists(int(match[1])):
        return
    _log.warning("Removing %s, a leftover of an interrupted run.", path)
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
