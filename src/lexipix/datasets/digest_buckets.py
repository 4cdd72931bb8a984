"""Which digests occur again, found on disk: in memory are those of one bucket."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_HEX_DIGITS = 2  # of a digest that choose its bucket
_N_BUCKETS = 16**_HEX_DIGITS


def recurring(parts: Iterable[list[str]], folder: Path) -> "NDArray[np.int64]":
    """Return the positions of the digests of which an equal one follows, ascending.

    ``parts`` are lists of digests of 32 hex digits, and positions count those of all parts. The files of the
    buckets, which take 24 bytes for each digest, are written to the ``folder`` and removed again.
    """
    import numpy as np

    position = 0
    for digests in parts:
        records = np.empty((len(digests), 3), np.uint64)
        records[:, :2] = np.frombuffer(bytes.fromhex("".join(digests)), ">u8").reshape(-1, 2)
        records[:, 2] = np.arange(position, position + len(digests))
        _append(records, folder)
        position += len(digests)
    found = [_recurring_in(file) for file in _files(folder) if file.exists()]
    return np.sort(np.concatenate([np.empty(0, np.int64), *found]))


def _append(records: "NDArray[np.uint64]", folder: Path) -> None:
    import numpy as np

    buckets = (records[:, 0] >> np.uint64(64 - 4 * _HEX_DIGITS)).astype(np.intp)
    order = np.argsort(buckets, kind="stable")
    ends = np.bincount(buckets, minlength=_N_BUCKETS).cumsum()
    for file, some in zip(_files(folder), np.split(records[order], ends[:-1]), strict=True):
        if len(some):
            with file.open("ab") as opened:
                opened.write(some.tobytes())


def _recurring_in(file: Path) -> "NDArray[np.int64]":
    import numpy as np

    records = np.fromfile(file, np.uint64).reshape(-1, 3)
    file.unlink()
    records = records[np.lexsort((records[:, 1], records[:, 0]))]  # stable: positions of equal ones ascend
    is_followed = (records[:-1, :2] == records[1:, :2]).all(axis=1)
    followed: NDArray[np.int64] = records[:-1, 2][is_followed].astype(np.int64)
    return followed


def _files(folder: Path) -> list[Path]:
    return [folder / f"bucket-{number:0{_HEX_DIGITS}x}" for number in range(_N_BUCKETS)]
