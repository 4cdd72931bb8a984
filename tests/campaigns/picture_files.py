"""Files of pictures in every format that Pillow writes, and ways to damage them."""

import io
import struct
import zlib
from collections.abc import Iterator
from functools import cache

import numpy as np
from PIL import Image, ImageSequence

Rng = np.random.Generator
MODES = (
    "1",
    "L",
    "LA",
    "P",
    "PA",
    "RGB",
    "RGBA",
    "RGBX",
    "CMYK",
    "YCbCr",
    "LAB",
    "HSV",
    "I",
    "I;16",
    "I;16B",
    "F",
)
_VARIANTS: dict[str, tuple[dict[str, object], ...]] = {
    "PNG": ({}, {"bits": 1}, {"optimize": True}),
    "JPEG": ({}, {"progressive": True}, {"quality": 10}),
    "TIFF": (
        *({"compression": name} for name in ("raw", "tiff_lzw", "tiff_adobe_deflate", "jpeg", "packbits")),
    ),
    "WEBP": ({}, {"lossless": True}),
    "GIF": ({}, {"interlace": 0}),
}
ANIMATED = ("GIF", "PNG", "WEBP", "TIFF", "MPO")


def drawing(rng: Rng, mode: str = "RGB", size: tuple[int, int] = (40, 36)) -> Image.Image:
    """A random picture in a color mode, with smooth parts as in real ones."""
    small = rng.integers(0, 256, (4, 4, 3), np.uint8)
    image = Image.fromarray(small).resize(size, Image.Resampling.BICUBIC)
    if mode in ("I;16", "I;16B"):
        values = np.asarray(image.convert("L")).astype(np.uint16) * 257
        return Image.frombytes(mode, size, values.astype(">u2" if mode == "I;16B" else "<u2").tobytes())
    if mode == "LAB":
        return Image.frombytes("LAB", size, np.asarray(image).tobytes())
    if mode == "PA":
        return image.convert("P").convert("PA")
    return image.convert(mode)


@cache
def whole_files() -> tuple[tuple[str, bytes], ...]:
    """Suffix and content of one file for each format, mode and variant that Pillow can write."""
    Image.init()
    rng, found = np.random.default_rng(0), []
    by_format = {}
    for suffix, name in Image.registered_extensions().items():
        by_format.setdefault(name, suffix)
    for name, suffix in sorted(by_format.items()):
        if name not in Image.SAVE:
            continue
        for mode in MODES:
            for options in _VARIANTS.get(name, ({},)):
                content = written(drawing(rng, mode), name, **options)
                if content is not None:
                    found.append((suffix, content))
        if name in ANIMATED and name in Image.SAVE_ALL:
            frames = [drawing(rng) for _ in range(3)]
            content = written(frames[0], name, save_all=True, append_images=frames[1:])
            if content is not None:
                found.append((suffix, content))
    return tuple(found)


def written(image: Image.Image, name: str, **options: object) -> bytes | None:
    """The content of a file; None if the format cannot hold the picture."""
    file = io.BytesIO()
    try:
        image.save(file, name, **options)
    except Exception:  # whatever a writer lacks
        return None
    return file.getvalue()


def damaged(rng: Rng, content: bytes) -> bytes:
    """The content after one to three random damages."""
    for _ in range(rng.integers(1, 4)):
        kind = _DAMAGES[rng.integers(len(_DAMAGES))]
        content = kind(rng, bytearray(content)) if content else b""
    return content


def _flipped(rng: Rng, data: bytearray) -> bytes:
    for _ in range(rng.integers(1, 33)):
        data[rng.integers(len(data))] ^= 1 << rng.integers(8)
    return bytes(data)


def _flipped_head(rng: Rng, data: bytearray) -> bytes:
    for _ in range(rng.integers(1, 9)):
        data[rng.integers(min(len(data), 200))] = rng.integers(256)
    return bytes(data)


def _cut(rng: Rng, data: bytearray) -> bytes:
    return bytes(data[: rng.integers(len(data))])


def _wrong_head(rng: Rng, data: bytearray) -> bytes:
    _, other = whole_files()[rng.integers(len(whole_files()))]
    n = int(rng.integers(2, 64))
    return other[:n] + bytes(data[n:])


def _spliced(rng: Rng, data: bytearray) -> bytes:
    _, other = whole_files()[rng.integers(len(whole_files()))]
    here, there = int(rng.integers(len(data))), int(rng.integers(len(other)))
    return bytes(data[:here]) + other[there : there + int(rng.integers(1, 2000))] + bytes(data[here:])


def _huge_number(rng: Rng, data: bytearray) -> bytes:
    at = int(rng.integers(len(data)))
    data[at : at + 4] = [b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\0\0\0\0", b"\xff\xff\xff\x7f"][
        rng.integers(4)
    ]
    return bytes(data)


def _repeated(rng: Rng, data: bytearray) -> bytes:
    here = int(rng.integers(len(data)))
    return bytes(data[:here]) + bytes(data[here : here + 64]) * int(rng.integers(2, 200)) + bytes(data[here:])


def _zeroed(rng: Rng, data: bytearray) -> bytes:
    here = int(rng.integers(len(data)))
    n = int(rng.integers(1, 256))
    data[here : here + n] = bytes(len(data[here : here + n]))
    return bytes(data)


_DAMAGES = (_flipped, _flipped_head, _cut, _wrong_head, _spliced, _huge_number, _repeated, _zeroed)


def bombs() -> Iterator[tuple[str, bytes]]:
    """Name and content of small files that claim or become something huge, and of extreme shapes."""
    rng = np.random.default_rng(1)
    plain = written(drawing(rng), "PNG") or b""
    yield "pixels.png", _png(_ihdr(60_000, 60_000), (b"IDAT", zlib.compress(bytes(2**20), 9)))
    yield "zeros.png", _png(_ihdr(4_900, 4_900), (b"IDAT", zlib.compress(bytes(4_900 * 4_901), 9)))
    yield "wide.png", written(Image.new("RGB", (20_000, 2)), "PNG") or b""
    yield "tall.png", written(Image.new("RGB", (8, 20_000)), "PNG") or b""
    yield "dot.png", written(Image.new("RGB", (1, 1)), "PNG") or b""
    bomb = zlib.compress(bytes(400 * 2**20), 9)
    yield "icc.png", _inserted(plain, (b"iCCP", b"profile\0\0" + bomb))
    yield "text.png", _inserted(plain, (b"zTXt", b"Comment\0\0" + bomb))
    yield "unicode_text.png", _inserted(plain, (b"iTXt", b"Comment\0\1\0en\0\0" + bomb))
    yield "chunks.png", _inserted(plain, *[(b"tEXt", b"a\0b")] * 200_000)
    yield "exif.png", _inserted(plain, (b"eXIf", b"MM\0*\0\0\0\x08\xff\xff" + bytes(10_000)))
    yield "frames.gif", _frames(rng, 5_000)
    yield "frames.png", _inserted(plain, (b"acTL", struct.pack(">II", 2**31 - 1, 0)))
    head = bytearray(written(drawing(rng), "JPEG") or b"")
    at = head.find(b"\xff\xc0")
    head[at + 5 : at + 9] = struct.pack(">HH", 65_500, 65_500)
    yield "pixels.jpg", bytes(head)
    yield (
        "exif.jpg",
        b"\xff\xd8"
        + b"\xff\xe1\xff\xff"
        + b"Exif\0\0MM\0*\0\0\0\x08\xff\xff"
        + bytes(65_000)
        + bytes(head[2:]),
    )
    yield "tags.tif", b"II*\0\x08\0\0\0\xff\xff" + bytes(12 * 65_535)
    yield "loop.tif", b"II*\0\x08\0\0\0\x01\0" + struct.pack("<HHII", 256, 3, 1, 40) + struct.pack("<I", 8)
    yield (
        "pixels.bmp",
        b"BM" + struct.pack("<IHHIIiiHHIIiiII", 54, 0, 0, 54, 40, 60_000, -60_000, 1, 24, 0, 0, 0, 0, 0, 0),
    )
    yield "pixels.ppm", b"P6 60000 60000 255\n" + bytes(100)
    yield "digits.ppm", b"P3 " + b"9" * 2**20 + b" 10 255\n"
    yield "pixels.webp", b"RIFF\x1a\0\0\0WEBPVP8L\x0d\0\0\0\x2f\xff\xff\xff\x0f\0\0\0\0\0\0\0"
    yield "zeros.pgm", b"P5 5000 5000 255\n" + bytes(25_000_000)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _ihdr(width: int, height: int) -> tuple[bytes, bytes]:
    return b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)


def _png(*chunks: tuple[bytes, bytes]) -> bytes:
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(*chunk) for chunk in [*chunks, (b"IEND", b"")])


def _inserted(png: bytes, *chunks: tuple[bytes, bytes]) -> bytes:
    """The PNG with further chunks after its header."""
    return png[:33] + b"".join(_chunk(*chunk) for chunk in chunks) + png[33:]


def _frames(rng: Rng, n: int) -> bytes:
    frames = [Image.fromarray(rng.integers(0, 256, (16, 16), np.uint8)) for _ in range(n)]
    content = written(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert content and sum(1 for _ in ImageSequence.Iterator(Image.open(io.BytesIO(content)))) > 1
    return content
