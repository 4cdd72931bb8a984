"""Reads image files as square uint8 arrays; first resized, then turned, as small images are cheap."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from lexipix.config.ingestion import IngestionParameters, ResizeParameters
from lexipix.datasets.sources.color_profiles import to_srgb
from lexipix.utils.alpha import opaque

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


_SAME_COLOR, _PLAIN_SHARE = 8, 0.9  # levels within which, and share in which, a border has one color
_MARKED, _HALF_A_LEVEL = 128, 0.5 / 255  # level from which a mask marks a pixel; share that changes no level
_PIXEL_ART_SIDE, _PIXEL_ART_COLORS = 128, 64  # pixels of the longer side, and colors, of pixel art at most


MISSING = "the file does not exist"  # the reason of a file that is not there
NO_FILE = "it is no file: a device, pipe or socket"  # the reason of what may never end when it is read


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
    readable = {*formats(), "MPO"}  # a JPEG file with further images, which Pillow opens as JPEG
    return frozenset(suffix for suffix, name in Image.registered_extensions().items() if name in readable)


def read_image(path: Path | str | BytesIO, parameters: IngestionParameters) -> NDArray[np.uint8]:
    """The image in a file or its content, uint8 (image_size, image_size, C); an animation's first frame.

    It has alpha, and premultiplied colors, if ``alpha`` is ``keep``. An ``image_size`` of null must have
    been found by :func:`.with_found_format` before.

    Raises:
        Unusable: The file is missing, damaged, not an image, too small or too large.
    """
    size = parameters.size
    # For JPEG, this decodes at 1/8, 1/4 or 1/2 of the size if that is large enough.
    with opened_image(path, parameters, draft=2 * size) as image:
        return to_square(image, size, parameters.resize, parameters.alpha == "keep")


@contextmanager
def opened_image(
    path: Path | str | BytesIO, parameters: IngestionParameters, draft: int | None = None
) -> Iterator[Image.Image]:
    """Decode an image file or its content, and report what goes wrong with it inside the block as well.

    A JPEG file may be decoded at a smaller size with sides of ``draft`` pixels at least.

    Raises:
        Unusable: The file is missing, damaged, not an image, too small or too large.
    """
    try:
        with Image.open(content_of(path), formats=formats()) as image:
            width, height = image.size
            if width * height > parameters.max_pixels:
                limit = f"ingestion.max_pixels, {parameters.max_pixels}"
                raise Unusable(f"too large: {width}x{height} pixels are more than {limit}")
            if min(width, height) < parameters.min_side:
                limit = f"ingestion.min_side is {parameters.min_side}"
                raise Unusable(f"too small: {width}x{height} pixels, {limit}")
            if draft is not None:
                image.draft(None, (draft, draft))
            image.load()
            yield image
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
        if isinstance(error, OSError) and error.errno is not None:
            raise Unusable(f"it cannot be read: {error.strerror}") from None
        detail = " ".join(str(error).split()) or type(error).__name__
        raise Unusable(f"damaged or cut short: {detail}") from None


def content_of(path: Path | str | BytesIO) -> BytesIO:
    """The content of a file, read at once: at each of Pillow's small steps, threads would wait.

    Raises:
        Unusable: It is missing, empty, or no file.
        OSError: It cannot be read.
    """
    if isinstance(path, BytesIO):
        return path
    path = Path(path)
    if not path.is_file():
        raise Unusable(NO_FILE if path.exists() and not path.is_dir() else MISSING)
    content = path.read_bytes()
    if not content:
        raise Unusable("empty file")
    return BytesIO(content)


def to_square(
    image: Image.Image, size: int, resize: ResizeParameters, keep_alpha: bool = False
) -> NDArray[np.uint8]:
    """An image of any color mode and profile as an upright square, uint8 (size, size, 3), cropped or padded.

    With ``keep_alpha`` it is (size, size, 4), with premultiplied colors.
    """
    turn = _TURNS.get(_orientation(image))
    image = _plain_mode(to_srgb(image))
    background = _padding(image, resize)
    image = _resized(image, *_target(image, size, resize, background is not None))
    if turn is not None:
        image = image.transpose(turn)
    pixels = np.array(image if image.mode == "RGBa" else image.convert("RGB"))
    if pixels.shape[-1] == 3:
        opaque_layer = np.full((*pixels.shape[:2], 1), 255, np.uint8)
        pixels = np.concatenate([pixels, opaque_layer], axis=2)
    pixels[..., :3] = np.minimum(pixels[..., :3], pixels[..., 3:])  # Lanczos overshoots at edges
    canvas = np.zeros((size, size, 4), np.uint8)
    if background is not None and image.mode != "RGBa":
        canvas[:] = (*background, 255)
    top, left = (size - pixels.shape[0]) // 2, (size - pixels.shape[1]) // 2
    canvas[top : top + pixels.shape[0], left : left + pixels.shape[1]] = pixels
    return canvas if keep_alpha else opaque(canvas, resize.background)


def masked_to_square(
    image: Image.Image, mask: Image.Image, size: int, resize: ResizeParameters, keep_alpha: bool = False
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """The result of :func:`to_square`, and which of its pixels depend on marked ones, bool (size, size).

    The mask marks pixels by white; what is nearer to black, or transparent, is not marked. Marked pixels are
    first filled with the mean color of the others, so that what the image has there changes no pixel.

    Raises:
        Unusable: The mask has another size than the upright image.
    """
    image, mask = _upright(to_srgb(image)), _upright(mask)
    if mask.size != image.size:
        sizes = " and ".join("x".join(map(str, one.size)) for one in (image, mask))
        raise Unusable(f"image and mask have {sizes} pixels, and must have the same size")
    levels, pixels = np.asarray(mask.convert("RGBA")).astype(np.float32), np.array(image)
    marked = levels[..., :3].mean(axis=-1) * levels[..., 3] >= _MARKED * 255
    if not marked.all():
        pixels[marked] = pixels[~marked].mean(axis=0).round()
    filled = _plain_mode(Image.fromarray(pixels))
    target = _target(filled, size, resize, _padding(filled, resize) is not None)
    shares = np.abs(np.asarray(_resized(Image.fromarray(marked.astype(np.float32)), *target)))
    top, left = (size - shares.shape[0]) // 2, (size - shares.shape[1]) // 2
    hole = np.zeros((size, size), np.bool_)
    hole[top : top + shares.shape[0], left : left + shares.shape[1]] = shares >= _HALF_A_LEVEL
    return to_square(Image.fromarray(pixels), size, resize, keep_alpha), hole


def _padding(image: Image.Image, resize: ResizeParameters) -> tuple[int, int, int] | None:
    """The color around a padded image; None if the image is cropped.

    With ``fit: auto`` an image is padded where that shows no edge: where it has transparent pixels, or a
    border of one color.
    """
    if resize.fit != "auto":
        return resize.background if resize.fit == "pad" else None
    if image.mode == "RGBa":
        return resize.background
    pixels = np.asarray(image.convert("RGB")).astype(np.int16)
    border = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    color = np.median(border, axis=0)
    plain = (np.abs(border - color).max(axis=1) <= _SAME_COLOR).mean() >= _PLAIN_SHARE
    if plain or _is_pixel_art(image):
        red, green, blue = (int(value) for value in color)
        return red, green, blue
    return None


def _target(
    image: Image.Image, size: int, resize: ResizeParameters, pad: bool
) -> tuple[tuple[int, int], tuple[float, float, float, float], Image.Resampling]:
    """Width and height after resizing, the part of the image that is resized, and the filter."""
    width, height = image.size
    whole = (0.0, 0.0, float(width), float(height))
    if resize.filter == "auto" and pad and max(width, height) <= size and _is_pixel_art(image):
        factor = size // max(width, height)
        return (width * factor, height * factor), whole, Image.Resampling.NEAREST
    resample = Image.Resampling["LANCZOS" if resize.filter == "auto" else resize.filter.upper()]
    if pad:
        scale = size / max(width, height)
        return (max(1, round(width * scale)), max(1, round(height * scale))), whole, resample
    side = min(width, height)
    left, top = (width - side) / 2, (height - side) / 2
    return (size, size), (left, top, left + side, top + side), resample


def _upright(image: Image.Image) -> Image.Image:
    """The image as a camera held it, as RGB or RGBA."""
    turn, plain = _TURNS.get(_orientation(image)), _plain_mode(image)
    plain = image.convert("RGBA") if plain.mode == "RGBa" else plain.convert("RGB")
    return plain if turn is None else plain.transpose(turn)


def _resized(
    image: Image.Image,
    new_size: tuple[int, int],
    box: tuple[float, float, float, float],
    resample: Image.Resampling,
) -> Image.Image:
    if image.size == new_size:
        return image
    # A reducing gap averages large images first, which is faster; "nearest" must not average.
    gap = None if resample == Image.Resampling.NEAREST else 3.0
    return image.resize(new_size, resample, box, gap)


def _is_pixel_art(image: Image.Image) -> bool:
    """Whether an image is small and has few colors, so that smoothing would add others."""
    return max(image.size) <= _PIXEL_ART_SIDE and image.getcolors(_PIXEL_ART_COLORS) is not None


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
