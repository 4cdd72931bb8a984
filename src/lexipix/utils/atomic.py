"""Writing that is whole or did not happen.

Everything is written under a temporary name in the folder of its target and renamed when complete: a full
disk, Ctrl-C or a killed process leaves what was there before, and never half a file under a true name.
"""

import errno
import logging
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lexipix.utils.errors import LexipixError

_log = logging.getLogger(__name__)


@contextmanager
def replace_file(path: Path) -> Iterator[Path]:
    """Give a temporary path to write to; it takes the place of ``path`` when the block ends well.

    Args:
        path: The file to be written; its folder is made if there is none.

    Yields:
        A path in the same folder with the same suffix (some libraries choose a format by it).

    Raises:
        LexipixError: The disk is full, or the place cannot be written to; ``path`` is as it was.
    """
    with _told(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        _sweep(path)
        temporary = path.with_name(f".{path.stem}.{os.getpid()}.part{path.suffix}")
        try:
            yield temporary
            os.replace(temporary, path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise


@contextmanager
def replace_folder(path: Path) -> Iterator[Path]:
    """Give a new empty folder to write to; it takes the place of ``path`` when the block ends well.

    A folder cannot be renamed over a filled one, so the old one steps aside first; a process killed
    between the two renames leaves no folder at all, which reads as "not made yet", never a mixture.

    Args:
        path: The folder to be written.

    Yields:
        An empty folder beside ``path``.

    Raises:
        LexipixError: The disk is full, or the place cannot be written to; ``path`` is as it was.
    """
    with _told(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        _sweep(path)
        temporary = path.with_name(f".{path.stem}.{os.getpid()}.part{path.suffix}")
        old = path.with_name(f".{path.stem}.{os.getpid()}.old{path.suffix}")
        temporary.mkdir()
        try:
            yield temporary
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
def _told(path: Path) -> Iterator[None]:
    """Say a full disk or a forbidden place in a sentence."""
    try:
        yield
    except OSError as error:
        reasons = {
            errno.ENOSPC: "the disk is full: free some space and run the same command again",
            errno.EDQUOT: "your disk quota is used up: free some space and run the same command again",
            errno.EACCES: "writing there is not allowed: check the folder's owner and permissions",
            errno.EROFS: "the file system is read-only: move the project to one that can be written to",
        }
        if error.errno not in reasons:
            raise
        raise LexipixError(f"{path} was not written, {reasons[error.errno]}.") from error


def _sweep(path: Path) -> None:
    """Remove what processes that are no longer alive left beside ``path``."""
    for ending in ("part", "old"):
        for leftover in path.parent.glob(f".{path.stem}.*.{ending}{path.suffix}"):
            pid = leftover.name.removeprefix(f".{path.stem}.").split(".")[0]
            if not pid.isdigit() or (int(pid) != os.getpid() and _alive(int(pid))):
                continue
            _log.warning("Removing %s, left by an interrupted run.", leftover)
            if leftover.is_dir():
                shutil.rmtree(leftover, ignore_errors=True)
            else:
                leftover.unlink(missing_ok=True)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
