"""Memory-mapped arrays cross to other processes as the places of their files."""

import copyreg
import mmap
from pathlib import Path
from typing import Any

import numpy as np


def arrays_cross_as_paths() -> None:
    """Let pickling, which Ray does in memory, send the place of a mapped array instead of its content."""
    copyreg.pickle(np.memmap, _reduce)


def map_file(path: str, dtype: str, offset: int, shape: tuple[int, ...]) -> np.memmap:
    """Return a part of a file as an array, memory-mapped read-only."""
    return np.memmap(path, dtype, "r", offset, shape)


def _reduce(array: np.memmap) -> tuple[Any, ...]:
    """What pickle makes the array of again; an array without a file, or a part with gaps, crosses whole."""
    mapping, path = array._mmap, array.filename  # type: ignore[attr-defined]
    if mapping is None or path is None or not array.size or not array.flags.c_contiguous:
        return np.array(array).__reduce__()  # type: ignore[return-value]
    start = array.offset - array.offset % mmap.ALLOCATIONGRANULARITY
    offset = start + array.ctypes.data - np.frombuffer(mapping, np.uint8).ctypes.data
    return map_file, (str(Path(path).absolute()), array.dtype.str, offset, array.shape)
