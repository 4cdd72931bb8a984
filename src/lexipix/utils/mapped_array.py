"""Arrays that need no memory of their own: in a nameless temporary file, which the system reads and drops."""

import tempfile
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lexipix.utils.errors import LexipixError


def mapped_array(parts: Iterable[NDArray[Any]]) -> NDArray[Any]:
    """Join arrays, at least one, along their first axis; one of them is in memory at a time.

    The file is in the system's folder for temporary files (``TMPDIR``) and has no name there, so that nothing
    is left of it when the process ends.

    Raises:
        LexipixError: The folder has no room, or is not writable.
    """
    n_rows = 0
    try:
        with tempfile.TemporaryFile() as file:
            for part in parts:
                file.write(np.ascontiguousarray(part).data)
                n_rows, shape, dtype = n_rows + len(part), part.shape[1:], part.dtype
            file.flush()
            if not file.tell():
                return np.empty((n_rows, *shape), dtype)
            # Shared with the file ("r+"), as Linux refuses private mappings that exceed its memory
            return np.memmap(file, dtype, "r+", shape=(n_rows, *shape))
    except OSError as error:
        raise LexipixError(
            f"No array could be written to the folder for temporary files ({error.strerror or error}): free "
            "some space there, or set TMPDIR to a folder on a larger disk and run the same command again."
        ) from error
