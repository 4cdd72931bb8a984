"""What this user may read, and the reason why a file could not be read: never its content by mistake."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lexipix.utils.errors import LexipixError, causes

DENIED = (errno.EACCES, errno.EPERM)
# With these the path holds something else than expected, which is a matter of its content
_CONTENT = (errno.ENOENT, errno.ENOTDIR, errno.EISDIR)


def unreadable(path: Path) -> Path | None:
    """The first folder or file on the way to ``path`` or inside it that this user may not read.

    None if there is none. Libraries report such a file as missing or damaged.
    """
    for parent in reversed(path.absolute().parents):
        if parent.is_dir() and not os.access(parent, os.X_OK):
            return parent
    if path.exists() and not os.access(path, os.R_OK):
        return path
    for folder, names, files in os.walk(path):
        needed = {**dict.fromkeys(files, os.R_OK), **dict.fromkeys(names, os.R_OK | os.X_OK)}
        for place, mode in ((Path(folder, name), mode) for name, mode in needed.items()):
            if place.exists() and not os.access(place, mode):
                return place
    return None


def not_readable(path: Path, error: BaseException | None = None) -> str | None:
    """A clause that says why ``path`` cannot be read at all; None if it can, or if it does not exist.

    A permission, or an error of the system (``error`` or one of its causes), is no damage.
    """
    denied = unreadable(path)
    if denied is not None:
        return f"{denied} may not be read by this user (permission denied): check its owner and permissions"
    for cause in () if error is None else causes(error):
        if isinstance(cause, OSError) and cause.errno is not None and cause.errno not in _CONTENT:
            return f"{cause.filename or path} cannot be read: {os.strerror(cause.errno)}"
    return None


@contextmanager
def reading(path: Path, *damages: type[Exception]) -> Iterator[None]:
    """Report an error while a file is read in one sentence: no permission, or damage (``damages``).

    Raises:
        LexipixError: The file may not be read, or is damaged.
    """
    try:
        yield
    except LexipixError:
        raise
    except Exception as error:
        if not isinstance(error, (OSError, ValueError, *damages)):
            raise
        if reason := not_readable(path, error):
            raise LexipixError(f"{reason}.") from error
        raise LexipixError(f"{path} is damaged or incomplete ({error}).") from error
