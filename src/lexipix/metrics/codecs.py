"""Pictures through JPEG and WebP: what comes back, and how many bytes it took, with headers and without.

A file of a 32x32 picture is mostly header, which says nothing of how well a format compresses: a pair of
programs that has agreed on format, quality and size beforehand need not send it. Without headers counts what
is left:

- JPEG: the entropy-coded bytes of the scan when the standard's own Huffman tables are used, so that all that
  stands before them (quantisation and Huffman tables, sizes) is the same in every file of one quality. With
  headers a file counts with its own Huffman tables where it is smaller so.
- WebP (lossy): all but the 20 bytes of the container and the 10 of the frame's tag, start code and size; the
  probabilities that the encoder changed from the defaults stand among the data and count.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Pixels = NDArray[np.uint8]
Counts = NDArray[np.int64]

JPEG_COLORS = {"4:2:0": "at half the resolution", "4:4:4": "at the full resolution"}
_SCAN, _END, _ALONE = 0xDA, 0xD9, (0x01, *range(0xD0, 0xD9))  # start of scan, end of image, no length
_CONTAINER, _CHUNK, _FRAME = 12, 8, 10
_WEBP_EFFORT = 6  # the slowest and smallest


@dataclass(frozen=True)
class Coded:
    """Pictures that were written and read again.

    Attributes:
        images: What came back, uint8 (N, H, W, 3).
        n_bytes: Of each file, int64 (N,).
        n_payload: Of each without headers, as the module says.
    """

    images: Pixels
    n_bytes: Counts
    n_payload: Counts


def jpeg(images: Pixels, quality: int, colors: str = "4:2:0") -> Coded:
    """Send pictures through baseline JPEG.

    Args:
        images: uint8 (N, H, W, 3).
        quality: 0 to 100.
        colors: ``4:2:0`` (the usual, colors at half the resolution) or ``4:4:4``.
    """

    def write(image: Image.Image) -> tuple[bytes, int, int]:
        standard, own = (
            _encoded(image, "JPEG", quality=quality, subsampling=colors, optimize=optimize)
            for optimize in (False, True)
        )
        return standard, min(len(standard), len(own)), jpeg_payload(standard)

    return _coded(images, write)


def webp(images: Pixels, quality: int) -> Coded:
    """Send pictures through lossy WebP, which always has its colors at half the resolution.

    Args:
        images: uint8 (N, H, W, 3).
        quality: 0 to 100.
    """

    def write(image: Image.Image) -> tuple[bytes, int, int]:
        file = _encoded(image, "WEBP", quality=quality, method=_WEBP_EFFORT)
        return file, len(file), webp_payload(file)

    return _coded(images, write)


def jpeg_payload(file: bytes) -> int:
    """Bytes of entropy-coded data in a baseline JPEG file.

    Raises:
        ValueError: It is none.
    """
    position = 2
    while position + 4 <= len(file) and file[position] == 0xFF:
        marker = file[position + 1]
        if marker in _ALONE:
            position += 2
            continue
        length = int.from_bytes(file[position + 2 : position + 4], "big")
        position += 2 + length
        if marker == _SCAN and file[-2:] == bytes([0xFF, _END]):
            return len(file) - 2 - position
    raise ValueError("these bytes are no JPEG file with one scan")


def webp_payload(file: bytes) -> int:
    """Bytes of a simple lossy WebP file behind the container's and the frame's headers, without padding.

    Raises:
        ValueError: It is none.
    """
    start = _CONTAINER + _CHUNK
    if file[:4] != b"RIFF" or file[8:16] != b"WEBPVP8 " or len(file) < start + _FRAME:
        raise ValueError("these bytes are no simple lossy WebP file")
    return int.from_bytes(file[_CONTAINER + 4 : start], "little") - _FRAME


def _encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format=kind, **options)
    return buffer.getvalue()


def _coded(images: Pixels, write: Callable[[Image.Image], tuple[bytes, int, int]]) -> Coded:
    back = np.empty(images.shape, np.uint8)
    counts = np.empty((2, len(images)), np.int64)
    for row, image in enumerate(images):
        file, *sizes = write(Image.fromarray(np.ascontiguousarray(image)))
        counts[:, row] = sizes
        with Image.open(io.BytesIO(file)) as read:
            back[row] = np.asarray(read.convert("RGB"))
    return Coded(back, counts[0], counts[1])
