"""Captions for pictures that come without, by a captioner from elsewhere, while they are read."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from lexipix.utils.types import OnnxModel, Picture, Reject

Pixels = NDArray[np.uint8]
Describe = Callable[[Pixels], list[str]]

AT_ONCE = 256  # pictures that are described together
MOST_WAITING = 1024  # pictures held in memory meanwhile, those with a caption included


def describer(model: OnnxModel) -> Describe:
    """What writes captions of pictures, uint8 (N, S, S, 3), scaled to the size the captioner knows."""
    from lexipix.inference.onnx_captioner import OnnxCaptioner  # onnxruntime is needed here alone

    captioner = OnnxCaptioner(model)
    size = captioner.image_size

    def describe(images: Pixels) -> list[str]:
        if images.shape[1] != size:
            scaled = [
                Image.fromarray(image).resize((size, size), Image.Resampling.LANCZOS) for image in images
            ]
            images = np.stack([np.asarray(image) for image in scaled])
        return captioner.caption(images)

    return describe


def described(items: Iterable[Picture | Reject], describe: Describe) -> Iterator[Picture | Reject]:
    """The items in their order, every picture without a caption with one that ``describe`` wrote."""
    waiting: list[Picture | Reject] = []
    n_lacking = 0
    for item in items:
        waiting.append(item)
        n_lacking += _lacks_caption(item)
        if n_lacking >= AT_ONCE or len(waiting) >= MOST_WAITING:
            yield from _filled(waiting, describe)
            waiting, n_lacking = [], 0
    yield from _filled(waiting, describe)


def _filled(items: list[Picture | Reject], describe: Describe) -> Iterator[Picture | Reject]:
    lacking = [item for item in items if _lacks_caption(item)]
    images = [item.image for item in lacking if isinstance(item, Picture) and item.image is not None]
    texts = iter(describe(np.stack(images)) if images else [])
    for item in items:
        if isinstance(item, Picture) and _lacks_caption(item):
            text = " ".join(next(texts).split())
            yield replace(item, caption=text, caption_source="generated") if text else item
        else:
            yield item


def _lacks_caption(item: Picture | Reject) -> bool:
    return isinstance(item, Picture) and item.caption is None
