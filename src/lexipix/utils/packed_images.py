"""Many small images in one array of bytes, each a lossless WebP file that is decoded when it is needed."""

from __future__ import annotations

import io
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lexipix.utils.threads import on_all_cores

Pixels = NDArray[np.uint8]

_MODES = {3: "RGB", 4: "RGBA"}
_EFFORT = {"quality": 60, "method": 4}  # of the search for a smaller file


def pack(images: Iterable[Pixels]) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """The bytes of all files, uint8 (bytes,), and where each ends, int64 (N,), for :class:`PackedImages`.

    Images are uint8 (S, S, 3 or 4).
    """
    rows = list(images)
    files: list[bytes] = [b""] * len(rows)

    def encode(row: int) -> None:
        from PIL import Image

        buffer = io.BytesIO()
        image = Image.fromarray(np.ascontiguousarray(rows[row]))
        image.save(buffer, format="WEBP", lossless=True, exact=True, **_EFFORT)
        files[row] = buffer.getvalue()

    on_all_cores(encode, range(len(rows)))
    return np.frombuffer(b"".join(files), np.uint8).copy(), np.cumsum([len(file) for file in files])


class PackedImages:
    """Images by row numbers, uint8 (N, S, S, C), from what :func:`pack` returned.

    A decoded image is kept: 0.15 ms for a 64x64 image the first time, and nothing later.

    Raises:
        ValueError: The bytes are not those of such images.
    """

    def __init__(self, packed: NDArray[np.uint8], ends: NDArray[np.int64], shape: tuple[int, ...]) -> None:
        if (np.diff(ends, prepend=0) < 0).any() or (ends > len(packed)).any():
            raise ValueError("the ends of its images are in no order, or beyond their bytes")
        self._packed, self._ends, self._shape = packed, ends, shape
        self._decoded: Any = np.empty((len(ends), *shape), np.uint8)  # memory is taken when it is written
        self._known = np.zeros(len(ends), bool)

    def __len__(self) -> int:
        return len(self._ends)

    def __getitem__(self, rows: NDArray[np.int64], /) -> Pixels:
        for row in np.unique(rows[~self._known[rows]]).tolist():
            self._decode(row)
        pixels: Pixels = self._decoded[rows]
        return pixels

    def _decode(self, row: int) -> None:
        from PIL import Image

        start = int(self._ends[row - 1]) if row else 0
        file = self._packed[start : self._ends[row]].tobytes()
        try:
            with Image.open(io.BytesIO(file), formats=("WEBP",)) as image:
                if image.size != self._shape[1::-1]:
                    raise ValueError(f"it has {image.width}x{image.height} pixels")
                self._decoded[row] = np.asarray(image.convert(_MODES[self._shape[-1]]))
        except Exception as error:  # Pillow raises many types
            raise ValueError(f"the packed image {row} is damaged: {error}") from error
        self._known[row] = True
