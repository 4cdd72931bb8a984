"""JPEG and WebP as baselines: the decoded images and the bytes they took, with and without headers.

Most of the file of a 32x32 image is headers, which depend on format, quality and size alone. A sender and a
receiver that agree on these need not transmit them.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from lexipix.utils.alpha import opaque

Pixels = NDArray[np.uint8]
Counts = NDArray[np.int64]

JPEG_COLORS = {"4:2:0": "at half the resolution", "4:4:4": "at the full resolution"}
_SCAN, _END = b"\xff\xda", b"\xff\xd9"  # JPEG markers
_WEBP_SIZE, _WEBP_FRAME = slice(16, 20), 10
_WEBP_METHOD = 6  # slowest, smallest files


@dataclass(frozen=True)
class Coded:
    """Decoded images, uint8 (N, H, W, 3), and the bytes of each file (N,), all and without headers."""

    images: Pixels
    n_bytes: Counts
    n_payload: Counts


def jpeg(images: Pixels, quality: int, colors: str) -> Coded:
    """Images, uint8 (N, H, W, C), over white after baseline JPEG of a quality from 0 to 100.

    ``colors`` is the chroma subsampling, one of :data:`JPEG_COLORS`; 4:2:0 is usual. Without headers, the
    scan with the standard's Huffman tables counts: everything before it is the same in every file of one
    quality. With headers, a file may use its own tables if it is smaller.
    """
    images = opaque(images)
    options = {"quality": quality, "subsampling": colors}
    standard = _encoded(images, "JPEG", **options)
    own_tables = _encoded(images, "JPEG", **options, optimize=True)
    sizes = [min(len(file), len(other)) for file, other in zip(standard, own_tables, strict=True)]
    return Coded(_decoded(standard), np.array(sizes), np.array([jpeg_payload(file) for file in standard]))


def webp(images: Pixels, quality: int) -> Coded:
    """Images after lossy WebP of a quality from 0 to 100; its colors always have half the resolution.

    The container and the frame's tag, start code and size are headers; probabilities are part of the data.
    """
    files = _encoded(opaque(images), "WEBP", quality=quality, method=_WEBP_METHOD)
    payload = [int.from_bytes(file[_WEBP_SIZE], "little") - _WEBP_FRAME for file in files]
    return Coded(_decoded(files), np.array([len(file) for file in files]), np.array(payload))


def jpeg_payload(file: bytes) -> int:
    """Number of bytes of entropy-coded data in a baseline JPEG file, whose only scan is its last segment."""
    header = file.rindex(_SCAN) + len(_SCAN)  # entropy-coded data never contain a marker of a scan
    return len(file) - len(_END) - header - int.from_bytes(file[header : header + 2], "big")


def _encoded(images: Pixels, kind: str, **options: Any) -> list[bytes]:
    files = []
    for image in images:
        buffer = io.BytesIO()
        Image.fromarray(np.ascontiguousarray(image)).save(buffer, format=kind, **options)
        files.append(buffer.getvalue())
    return files


def _decoded(files: Sequence[bytes]) -> Pixels:
    return np.stack([np.asarray(Image.open(io.BytesIO(file)).convert("RGB")) for file in files])
