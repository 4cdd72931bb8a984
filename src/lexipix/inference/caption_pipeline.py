"""Images to captions: the implementation behind ``kedro caption``, the service and the Python API."""

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from lexipix.config.ingestion import IngestionParameters
from lexipix.datasets.sources.images import Unusable, read_image, to_square
from lexipix.inference.exported_config import ChosenCaptionerConfig, checked
from lexipix.inference.onnx_captioner import OnnxCaptioner
from lexipix.inference.onnx_session import Pixels, image_format
from lexipix.inference.pretrained import model_folder
from lexipix.utils.errors import LexipixError
from lexipix.utils.model_files import read_onnx_model
from lexipix.utils.types import OnnxModel

MAX_PIXELS = 178_956_970  # of an image file; Pillow's own limit
_BATCH = 64  # images that are decoded at a time


class CaptionPipeline:
    """Writes captions of images with a trained and exported captioner. It needs no torch.

    ``resize`` in the model's configuration says how an image is made square.

    Example:
        >>> pipe = CaptionPipeline.from_pretrained("data/06_models/captioner_champion")
        >>> captions = pipe(["star.png", "heart.jpg"])
    """

    def __init__(self, model: OnnxModel, min_side: int = 1, max_pixels: int = MAX_PIXELS) -> None:
        self.captioner = OnnxCaptioner(model)
        # The other parameters of the ingestion have nothing to do with a single image
        known: dict[str, Any] = {
            **image_format(self.captioner),
            "resize": checked(ChosenCaptionerConfig, model.config).resize,
            "min_side": min_side,
            "max_pixels": max_pixels,
        }
        self._ingestion = IngestionParameters.model_construct(**known)

    @classmethod
    def from_pretrained(
        cls, source: str | Path, min_side: int = 1, max_pixels: int = MAX_PIXELS
    ) -> "CaptionPipeline":
        """Load the captioner that ``kedro run`` chose; ``source`` as for :func:`.pretrained.model_folder`.

        Image files with a side below ``min_side``, or with more than ``max_pixels`` pixels, are refused.
        """
        return cls(read_onnx_model(model_folder(source)), min_side, max_pixels)

    def __call__(self, images: Sequence[Image.Image | Pixels | str | Path]) -> list[str]:
        """Captions of PIL images, uint8 arrays (H, W, 3) or paths of image files, of any size; see `read`."""
        captions: list[str] = []
        for start in range(0, len(images), _BATCH):
            batch = [self.read(image) for image in images[start : start + _BATCH]]
            captions += self.captioner.caption(np.stack(batch))
        return captions

    def read(self, image: Image.Image | Pixels | str | Path | BytesIO, name: str = "") -> Pixels:
        """An image, or the content of a file, as the captioner sees it: uint8 (S, S, 3).

        An error calls it ``name``, by default its path.

        Raises:
            LexipixError: It is damaged, no image, too small or too large.
        """
        try:
            if isinstance(image, np.ndarray):
                image = Image.fromarray(image)
            if isinstance(image, Image.Image):
                known = self._ingestion
                return to_square(image, known.size, known.resize, known.alpha == "keep")
            return read_image(image, self._ingestion)
        except Unusable as reason:
            name = name or (str(image) if isinstance(image, str | Path) else "The image")
            raise LexipixError(f"{name} cannot be used as an image: {reason}.") from None
