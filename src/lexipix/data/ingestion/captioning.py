"""Captions from an exported captioner for images without one, written while the images are read."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import islice
from typing import Protocol, TypeGuard

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from lexipix.utils.alpha import opaque
from lexipix.utils.types import Reject, SourceImage

Pixels = NDArray[np.uint8]

BATCH_SIZE = 256  # images held in memory at a time


class ImageCaptioner(Protocol):
    """An exported captioner of images, uint8 (N, image_size, image_size, 3)."""

    @property
    def image_size(self) -> int: ...

    def caption(self, images: Pixels) -> list[str]: ...


def captioned(
    items: Iterable[SourceImage | Reject], captioner: ImageCaptioner
) -> Iterator[SourceImage | Reject]:
    """The items in order; images without a caption, of any size, get one from the captioner."""
    remaining = iter(items)
    size = (captioner.image_size, captioner.image_size)
    while batch := list(islice(remaining, BATCH_SIZE)):
        images = [
            np.asarray(Image.fromarray(opaque(item.image)).resize(size, Image.Resampling.LANCZOS))
            for item in batch
            if _lacks_caption(item)
        ]
        texts = iter(captioner.caption(np.stack(images)) if images else [])
        for item in batch:
            if _lacks_caption(item) and (text := " ".join(next(texts).split())):
                item = replace(item, caption=text, caption_source="generated")
            yield item


def _lacks_caption(item: SourceImage | Reject) -> TypeGuard[SourceImage]:
    return isinstance(item, SourceImage) and item.caption is None
