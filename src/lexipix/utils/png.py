"""A fast PNG encoder for small images."""

import struct
import zlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SIGNATURE = b"\x89PNG\r\n\x1a\n"
RGB_8_BIT = (8, 2, 0, 0, 0)  # bits, color type, compression, filters, no interlace
UP = 2  # the filter: the difference of each row from the row above


def encode_png(image: "NDArray[np.uint8]") -> bytes:
    """PNG file (https://www.w3.org/TR/png-3/) of an image, uint8 (H, W, 3).

    It takes 0.08 ms for a 32x32 image and releases the GIL for most of it. Pillow takes 0.2 ms, two thirds of
    the time to generate the image, and blocks other threads.

    Raises:
        ValueError: The image has another type or shape, or no pixels.
    """
    import numpy as np

    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or not image.size:
        raise ValueError(f"An image must be uint8 (H, W, 3), got {image.dtype} {image.shape}.")
    height, width, _ = image.shape
    rows = image.reshape(height, -1)
    filtered = np.empty((height, 1 + 3 * width), np.uint8)
    filtered[:, 0] = UP
    filtered[0, 1:] = rows[0]
    np.subtract(rows[1:], rows[:-1], out=filtered[1:, 1:])
    header = struct.pack(">II5B", width, height, *RGB_8_BIT)
    packer = zlib.compressobj(
        1, strategy=zlib.Z_RLE
    )  # after the filter, other matches are not worth the time
    content = packer.compress(filtered.tobytes()) + packer.flush()
    chunks = (b"IHDR", header), (b"IDAT", content), (b"IEND", b"")
    return SIGNATURE + b"".join(_chunk(*chunk) for chunk in chunks)


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
