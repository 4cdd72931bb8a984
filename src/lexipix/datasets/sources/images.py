"""Reads image files as square uint8 RGB arrays; first resized, then turned, as small images are cheap."""

from functools import cache
from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from lexipix.config.ingestion import IngestionParameters, ResizeParameters

# EPS would run Ghostscript on the file; Pillow recognizes the other formats but cannot decode them.
_REFUSED = frozenset({"EPS", "BUFR", "GRIB", "HDF5", "MPEG", "WMF"})
_COMMON = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF")
_ORIENTATION = 0x0112
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


class Unusable(Exception):
    """An image must be rejected; the message is the reason in ``rejects.csv``."""


@cache
def formats() -> tuple[str, ...]:
    """Pillow's formats that are read, in the order in which Pillow tries them, the common ones first."""
    Image.init()
    return (*_COMMON, *sorted(set(Image.ID) - set(_COMMON) - _REFUSED))


@cache
def suffixes() -> frozenset[str]:
    """File suffixes of images that are read, in lower case with the dot."""
    readable = set(formats())
    return frozenset(suffix for suffix, name in Image.registered_extensions().items() if name in readable)


def read_image(path: Path | str | BytesIO, parameters: IngestionParameters) -> NDArray[np.uint8]:
    """The image in a file or its content, uint8 (image_size, image_size, 3); an animation's first frame.

    Raises:
        Unusable: The file is missing, damaged, not an image, too small or too large.
    """
    try:
        with Image.open(_content(path), formats=formats()) as image:
            width, height = image.size
            if width * height > parameters.max_pixels:
                limit = f"ingestion.max_pixels, {parameters.max_pixels}"
                raise Unusable(f"too large: {width}x{height} pixels are more than {limit}")
            if min(width, height) < parameters.min_side:
                limit = f"ingestion.min_side is {parameters.min_side}"
                raise Unusable(f"too small: {width}x{height} pixels, {limit}")
            # For JPEG, this decodes at 1/8, 1/4 or 1/2 of the size if that is large enough.
            image.draft(None, (2 * parameters.image_size, 2 * parameters.image_size))
            image.load()
            return to_square(image, parameters.image_size, parameters.resize)
    except Unusable:
        raise
    except UnidentifiedImageError:
        raise Unusable("not an image in a known format") from None
    except PermissionError:
        raise Unusable("permission denied: check the file's permissions") from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise Unusable(f"too large: more pixels than ingestion.max_pixels, {parameters.max_pixels}") from None
    except MemoryError:
        raise Unusable("too large: not enough memory to decode it") from None
    except Exception as error:  # Pillow's decoders raise many types of errors
        detail = " ".join(str(error).split()) or type(error).__name__
        raise Unusable(f"damaged or cut short: {detail}") from None


def _content(path: Path | str | BytesIO) -> BytesIO:
    """The content of a file, read at once: at each of Pillow's small steps, threads would wait."""
    if isinstance(path, BytesIO):
        return path
    if not Path(path).is_file():
        raise Unusable("the file does not exist")
    content = Path(path).read_bytes()
    if not content:
        raise Unusable("empty file")
    return BytesIO(content)


def to_square(image: Image.Image, size: int, resize: ResizeParameters) -> NDArray[np.uint8]:
    """An image of any color mode as an upright square, uint8 (size, size, 3), cropped or padded."""
    turn = _TURNS.get(_orientation(image))
    image = _plain_mode(image)
    width, height = image.size
    if resize.fit == "crop":
        side = min(width, height)
        left, top = (width - side) / 2, (height - side) / 2
        new_size, box = (size, size), (left, top, left + side, top + side)
    else:
        scale = size / max(width, height)
        new_size = (max(1, round(width * scale)), max(1, round(height * scale)))
        box = (0.0, 0.0, float(width), float(height))
    if image.size != new_size:
        resample = Image.Resampling[resize.filter.upper()]
        # A reducing gap averages large images first, which is faster; "nearest" must not average.
        gap = None if resize.filter == "nearest" else 3.0
        image = image.resize(new_size, resample, box, gap)
    if turn is not None:
        image = image.transpose(turn)
    image = image.convert("RGBA" if image.mode == "RGBa" else "RGB")
    if image.size != (size, size) or image.mode == "RGBA":
        canvas = Image.new("RGB", (size, size), resize.background)
        corner = ((size - image.width) // 2, (size - image.height) // 2)
        canvas.paste(image, corner, image if image.mode == "RGBA" else None)
        image = canvas
    return np.array(image)


def _orientation(image: Image.Image) -> int:
    try:
        return int(image.getexif().get(_ORIENTATION, 1))
    except Exception:  # the image is usable without its EXIF data
        return 1


def _plain_mode(image: Image.Image) -> Image.Image:
    """The image in a mode that can be resized."""
    if image.mode.startswith("I") or image.mode == "F":
        return _to_8_bit(image)
    if image.has_transparency_data:
        return image.convert("RGBA").convert("RGBa")
    if image.mode in ("RGB", "L"):
        return image
    if image.mode == "1":
        return image.convert("L")
    if image.mode == "LAB":
        raise Unusable("color mode LAB is not supported: save the image as RGB")
    return image.convert("RGB")


def _to_8_bit(image: Image.Image) -> Image.Image:
    """A gray image with 8 bits, from 16-bit integers, or from integers or floats with a clear range."""
    values = np.asarray(image)
    lowest, highest = float(values.min()), float(values.max())
    peaks = {"F": (1, 255, 65535), "I": (255, 65535)}.get(image.mode, (65535,))
    peak = next((peak for peak in peaks if lowest >= 0 and highest <= peak), None)
    if peak is None:
        raise Unusable(
            f"gray values from {lowest:g} to {highest:g} have no clear range: save the image with 8 bits"
        )
    scaled = np.rint(values.astype(np.float32) * np.float32(255 / peak)).astype(np.uint8)
    return Image.fromarray(scaled)
