"""Atomic replacement: data is written under a temporary name beside its target and renamed when complete.

A full disk, Ctrl-C or a killed process leaves the old data in place, and never an incomplete file. Whichever
library wrote a file, its permissions are those that the user's umask gives to new files.
"""

import glob
import logging
import os
import re
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from lexipix.utils.errors import LexipixError
from lexipix.utils.processes import CLOCK_SECONDS
from lexipix.utils.system_errors import reason_of

_log = logging.getLogger(__name__)
# The stem of the target, the number of the process, and the suffix of the target
_LEFTOVER = re.compile(r"\.(.*)\.(\d+)\.(part|old)(\..*)?")


@contextmanager
def replace_file(path: Path) -> Iterator[Path]:
    """Yield a temporary path with the same suffix, which replaces ``path`` when the block ends without error.

    Raises:
        LexipixError: The system says no, as of a full disk; ``path`` is unchanged.
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

    A folder cannot be renamed over one that is not empty, so the old one is renamed first. If a process is
    killed between the two renames, the next one that writes there or runs does the second.

    Raises:
        LexipixError: The system says no, as of a full disk; ``path`` is unchanged.
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
            if old.exists() and not path.exists():
                os.replace(old, path)
            shutil.rmtree(temporary, ignore_errors=True)
            raise
        shutil.rmtree(old, ignore_errors=True)


@contextmanager
def _readable_errors(path: Path) -> Iterator[None]:
    """Report an error of the system, such as a full disk, in one sentence."""
    try:
        yield
    except Exception as error:  # safetensors has a class of its own
        reason = reason_of(error)
        if reason is None:
            raise
        named = getattr(error, "filename", None)
        is_inside = not isinstance(named, str) or path.parent in Path(named).parents
        what = reason if is_inside else f"{named}: {reason}"
        raise LexipixError(f"{path} could not be written, {what}.") from error


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
        for name in sorted([*folders, *files]):  # what is old before what is new
            _remove_leftover(Path(path, name))


def _beside(path: Path, ending: str) -> Path:
    """A temporary name beside ``path``; those of processes that no longer run are removed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # What is old first: the new folder beside it may be whole. SQLite adds to the suffix
    for kind in ("old", "part"):
        for leftover in path.parent.glob(f".{glob.escape(path.stem)}.*.{kind}{glob.escape(path.suffix)}*"):
            _remove_leftover(leftover)
    return path.with_name(f".{path.stem}.{os.getpid()}.{ending}{path.suffix}")


def _remove_leftover(path: Path) -> None:
    """Remove a path if it is temporary, and this process or one that no longer runs made it."""
    match = _LEFTOVER.fullmatch(path.name)
    if match is None or not os.path.lexists(path) or _is_in_use(path, int(match[2])):
        return
    stem, process, ending, suffix = match.groups(default="")
    target, new = path.with_name(f"{stem}{suffix}"), path.with_name(f".{stem}.{process}.part{suffix}")
    if ending == "old" and not target.exists():  # the process ended between two renames
        os.replace(new if new.is_dir() else path, target)
        _log.warning("%s was being replaced when a run was interrupted, and is in its place again.", target)
    _log.warning("Removing %s, a leftover of an interrupted run.", path)
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _is_in_use(path: Path, number: int) -> bool:
    """Whether another process that still runs made a temporary path; one that started later did not."""
    import psutil

    if number == os.getpid():
        return False
    try:
        # A renamed folder keeps its time of modification, but not that of its inode
        return bool(psutil.Process(number).create_time() <= path.stat().st_ctime + CLOCK_SECONDS)
    except (psutil.NoSuchProcess, FileNotFoundError):
        return False
    except psutil.Error:
        return True
