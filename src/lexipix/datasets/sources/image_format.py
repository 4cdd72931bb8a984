"""What all images of a folder have in common: their size in pixels, and whether they are transparent."""

import logging
from collections.abc import Callable, Sequence

from PIL import Image

from lexipix.config.ingestion import IngestionParameters
from lexipix.datasets.sources.file_tree import Content
from lexipix.datasets.sources.images import content_of, formats

_log = logging.getLogger(__name__)

_N_SAMPLED = 96  # files that are opened
SMALL, LARGE = 32, 64  # the sizes that are found; others are set by the parameter
_MIN_SHARE = 0.1  # of the images that must be larger than SMALL, or transparent
_VISIBLE = 128  # a pixel of a lower alpha is transparent


def with_found_format(
    parameters: IngestionParameters, files: Sequence[str], content: Callable[[str], Content]
) -> IngestionParameters:
    """The parameters with what is found in some files where ``image_size`` is null or ``alpha`` is ``auto``.

    Images are 64 pixels where a tenth are larger than 32, else 32. Alpha is kept where a tenth of the images
    have transparent pixels. Files that cannot be read do not count.
    """
    if parameters.image_size is not None and parameters.alpha != "auto":
        return parameters
    step = max(1, -(-len(files) // _N_SAMPLED))
    facts = [fact for file in files[::step] if (fact := _look(content, file, parameters.max_pixels))]
    size, alpha = parameters.image_size, parameters.alpha
    if size is None:
        size = LARGE if _share([side > SMALL for side, _ in facts]) >= _MIN_SHARE else SMALL
    if alpha == "auto":
        alpha = "keep" if _share([transparent for _, transparent in facts]) >= _MIN_SHARE else "flatten"
    shown = "with transparency" if alpha == "keep" else "without transparency"
    _log.info("Images become %s x %s pixels, %s (ingestion.image_size, ingestion.alpha).", size, size, shown)
    return parameters.model_copy(update={"image_size": size, "alpha": alpha})


def _share(values: Sequence[bool]) -> float:
    return sum(values) / max(1, len(values))


def _look(content: Callable[[str], Content], file: str, max_pixels: int) -> tuple[int, bool] | None:
    """The longer side of an image, and whether some of its pixels are transparent; None if unreadable."""
    try:
        with Image.open(content_of(content(file)), formats=formats()) as image:
            width, height = image.size
            if width * height > max_pixels:
                return None
            if not image.has_transparency_data:
                return max(width, height), False
            lowest, _ = image.convert("RGBA").getchannel("A").getextrema()
            return max(width, height), int(lowest) < _VISIBLE  # type: ignore[arg-type]
    except Exception:  # the reading of the image, later, says what is wrong with it
        return None
