"""Captions from an exported captioner for pictures without one, written while the pictures are read."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from lexipix.utils.types import Reject, SourceImage

Pixels = NDArray[np.uint8]
CaptionImages = Callable[[Pixels], list[str]]

BATCH_SIZE = 256  # images that are captioned together
MAX_WAITING = 1024  # images held in memory meanwhile, including those with a caption


class ImageCaptioner(Protocol):
    """An exported captioner."""

    @property
    def image_size(self) -> int:
        """Side of the square images that it reads, in pixels."""

    def caption(self, images: Pixels) -> list[str]:
        """Captions of images, uint8 (N, image_size, image_size, 3)."""


def caption_at_size(captioner: ImageCaptioner) -> CaptionImages:
    """A function that captions images of any size, uint8 (N, S, S, 3): it scales them for the captioner."""
    size = captioner.image_size

    def caption_images(images: Pixels) -> list[str]:
        if images.shape[1] != size:
            scaled = [
                Image.fromarray(image).resize((size, size), Image.Resampling.LANCZOS) for image in images
            ]
            images = np.stack([np.asarray(image) for image in scaled])
        return captioner.caption(images)

    return caption_images


def captioned(
    items: Iterable[SourceImage | Reject], caption_images: CaptionImages
) -> Iterator[SourceImage | Reject]:
    """The items in order; images without a caption get one from ``caption_images``."""
    waiting: list[SourceImage | Reject] = []
    n_missing = 0
    for item in items:
        waiting.append(item)
        n_missing += _lacks_caption(item)
        if n_missing >= BATCH_SIZE or len(waiting) >= MAX_WAITING:
            yield from _with_captions(waiting, caption_images)
            waiting, n_missing = [], 0
    yield from _with_captions(waiting, caption_images)


def _with_captions(
    items: list[SourceImage | Reject], caption_images: CaptionImages
) -> Iterator[SourceImage | Reject]:
    missing = [item for item in items if _lacks_caption(item)]
    images = [item.image for item in missing if isinstance(item, SourceImage) and item.image is not None]
    texts = iter(caption_images(np.stack(images)) if images else [])
    for item in items:
        if isinstance(item, SourceImage) and _lacks_caption(item):
            text = " ".join(next(texts).split())
            yield replace(item, caption=text, caption_source="generated") if text else item
        else:
            yield item


def _lacks_caption(item: SourceImage | Reject) -> bool:
    return isinstance(item, SourceImage) and item.caption is None
