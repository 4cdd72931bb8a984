"""What a user can do about an error of the system: a full disk, a quota, too many open files."""

import errno
import os
import re

from lexipix.utils.permissions import DENIED

_AGAIN = "run the same command again"
_FULL = f"the disk is full: free some space and {_AGAIN}"
_LONG = "it is larger than the system lets a file be (ulimit -f): raise that limit"
_ADVICE = {
    errno.ENOSPC: _FULL,
    errno.EDQUOT: f"your disk quota is exceeded: free some space and {_AGAIN}",
    errno.EFBIG: _LONG,
    **dict.fromkeys(DENIED, "permission denied: check its owner and permissions, and those of its folder"),
    errno.EROFS: "the file system is read-only: move the project to a writable one",
    errno.ENAMETOOLONG: "the name is too long for the file system: choose shorter names",
    **dict.fromkeys(
        (errno.EMFILE, errno.ENFILE),
        "too many files are open: raise the limit (ulimit -n), or close programs",
    ),
    errno.EIO: f"the disk or its connection fails (input/output error): check it and {_AGAIN}",
    errno.ESTALE: f"the network file system lost the file: mount it again and {_AGAIN}",
    errno.ELOOP: "its symbolic links lead in a circle: correct them",
}
# safetensors has an error of its own; NumPy's errors about unfinished files have no number
_NUMBER = re.compile(r"\(os error (\d+)\)")
_UNFINISHED = re.compile(r"^(\d+ requested and \d+ written|Not enough free space to write \d+ bytes)")


def advice(error: BaseException) -> str | None:
    """A clause that says what the system cannot do and how to fix it.

    None if the error is no error of the system, or one that a defect of lexipix may have caused, such as a
    file that is not there.
    """
    if isinstance(error, OSError) and error.errno is None and _UNFINISHED.search(str(error)):
        return f"{_FULL}; or {_LONG}"
    return _ADVICE.get(_number(error) or 0)


def reason_of(error: BaseException) -> str | None:
    """The advice, or at least what the system says; None if the error is no error of the system."""
    number = _number(error)
    return advice(error) or (None if number is None else os.strerror(number))


def _number(error: BaseException) -> int | None:
    if isinstance(error, OSError):
        return error.errno
    found = _NUMBER.search(str(error)) if type(error).__name__ == "SafetensorError" else None
    return int(found[1]) if found else None
