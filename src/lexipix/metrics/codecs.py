"""JPEG and WebP as baselines: the decoded images and the bytes they took, with and without headers.

Most of the file of a 32x32 image is headers, which depend on format, quality and size alone. A sender and a
receiver that agree on these need not transmit them. Without headers, the following bytes count:

- JPEG: the entropy-coded bytes of the scan with the standard's Huffman tables; everything before them is then
  the same in every file of one quality. With headers, a file may use its own Huffman tables if it is smaller.
- WebP (lossy): everything except the 20 bytes of the container and the 10 of the frame's tag, start code and
  size. Probabilities that differ from the defaults are part of the data and count.
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
_SCAN, _END, _NO_LENGTH = 0xDA, 0xD9, (0x01, *range(0xD0, 0xD9))  # JPEG markers
_CONTAINER, _CHUNK, _FRAME = 12, 8, 10
_WEBP_METHOD = 6  # slowest, smallest files


@dataclass(frozen=True)
class Coded:
    """Images after encoding and decoding.

    Attributes:
        images: Decoded images, uint8 (N, H, W, 3).
        n_bytes: Bytes of each file, int64 (N,).
        n_payload: Bytes of each file without headers (see the module), int64 (N,).
    """

    images: Pixels
    n_bytes: Counts
    n_payload: Counts


def jpeg(images: Pixels, quality: int, colors: str = "4:2:0") -> Coded:
    """Images after baseline JPEG.

    Args:
        images: uint8 (N, H, W, 3).
        quality: 0 to 100.
        colors: Chroma subsampling: ``4:2:0`` (usual, half the resolution) or ``4:4:4`` (full resolution).
    """

    def write(image: Image.Image) -> tuple[bytes, int, int]:
        standard, own = (
            _encoded(image, "JPEG", quality=quality, subsampling=colors, optimize=optimize)
            for optimize in (False, True)
        )
        return standard, min(len(standard), len(own)), jpeg_payload(standard)

    return _coded(images, write)


def webp(images: Pixels, quality: int) -> Coded:
    """Images after lossy WebP, whose colors always have half the resolution.

    Args:
        images: uint8 (N, H, W, 3).
        quality: 0 to 100.
    """

    def write(image: Image.Image) -> tuple[bytes, int, int]:
        file = _encoded(image, "WEBP", quality=quality, method=_WEBP_METHOD)
        return file, len(file), webp_payload(file)

    return _coded(images, write)


def jpeg_payload(file: bytes) -> int:
    """Number of bytes of entropy-coded data in a baseline JPEG file.

    Raises:
        ValueError: The file is not a JPEG file with one scan.
    """
    position = 2
    while position + 4 <= len(file) and file[position] == 0xFF:
        marker = file[position + 1]
        if marker in _NO_LENGTH:
            position += 2
            continue
        length = int.from_bytes(file[position + 2 : position + 4], "big")
        position += 2 + length
        if marker == _SCAN and file[-2:] == bytes([0xFF, _END]):
            return len(file) - 2 - position
    raise ValueError("these bytes are not a JPEG file with one scan")


def webp_payload(file: bytes) -> int:
    """Number of bytes of a simple lossy WebP file without headers and padding.

    Raises:
        ValueError: The file is not a simple lossy WebP file.
    """
    start = _CONTAINER + _CHUNK
    if file[:4] != b"RIFF" or file[8:16] != b"WEBPVP8 " or len(file) < start + _FRAME:
        raise ValueError("these bytes are not a simple lossy WebP file")
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
