"""ICC color profiles: images are shown in sRGB, and so they are read."""

import logging
from functools import lru_cache
from io import BytesIO

import numpy as np
from PIL import Image, ImageCms

_log = logging.getLogger(__name__)

_SAME_COLOR = 2  # levels; a profile that moves no color further is sRGB, and the pixels stay as they are
_GRID = np.arange(0, 256, 15, dtype=np.uint8)  # values of each channel that are compared
_noted: dict[str, object] = {}  # what the log says once


def to_srgb(image: Image.Image) -> Image.Image:
    """The image in sRGB where it has a color profile of another color space: RGB or RGBA; else as it is."""
    profile = image.info.get("icc_profile")
    if not profile or image.mode in ("1", "LAB") or image.mode.startswith(("I", "F")):
        return image
    alpha, colors = None, image
    if image.mode == "LA":
        colors, alpha = image.getchannel("L"), image.getchannel("A")
    elif image.has_transparency_data:
        whole = image.convert("RGBA")
        colors, alpha = whole.convert("RGB"), whole.getchannel("A")
    elif image.mode not in ("L", "RGB", "CMYK"):
        colors = image.convert("RGB")
    transform = _transform(profile, colors.mode)
    if transform is None:
        return image
    converted = transform.apply(colors)
    if alpha is not None:
        converted.putalpha(alpha)
    return converted


@lru_cache(maxsize=64)
def _transform(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform | None:
    """What turns colors of a mode into sRGB; None if they are sRGB, or if the profile cannot be used."""
    try:
        opened = ImageCms.ImageCmsProfile(BytesIO(profile))
        srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
        transform = ImageCms.ImageCmsTransform(opened, srgb, mode, "RGB")
    except Exception as error:  # a damaged profile, or one of another mode
        mine = object()
        if _noted.setdefault("unusable", mine) is mine:
            reason = " ".join(str(error).split()) or type(error).__name__
            _log.info("Some images have a color profile that cannot be used (%s): it is ignored.", reason)
        return None
    if mode == "CMYK":
        return transform
    if mode == "L":
        before = _GRID[None, :]
        expected = np.repeat(before[..., None], 3, axis=2)
    else:
        before = expected = np.stack(np.meshgrid(_GRID, _GRID, _GRID), axis=-1).reshape(len(_GRID), -1, 3)
    after = np.asarray(transform.apply(Image.fromarray(np.ascontiguousarray(before))))
    distance = np.abs(after.astype(np.int16) - expected.astype(np.int16)).max()
    return transform if distance > _SAME_COLOR else None
