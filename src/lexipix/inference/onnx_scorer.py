"""The exported scorer: how well images agree with texts and with other images, without torch."""

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from lexipix.inference.onnx_session import OnnxSession, Pixels, Vectors, fitting, normalize_pixels
from lexipix.utils.threads import on_all_cores


class OnnxScorer(OnnxSession):
    """An image encoder and a text encoder with one embedding space; agreement is a cosine in [-1, 1]."""

    graphs: ClassVar[Sequence[str]] = ("image", "text")

    @fitting()
    def embed_images(self, images: Pixels) -> Vectors:
        """Unit vectors (N, D) of images, uint8 (N, S, S, 3), N > 0. Batches would be no faster."""

        def embed(image: Pixels) -> Vectors:
            return self.run("image", "vectors", images=normalize_pixels(image[None]))["vectors"]

        return np.concatenate(on_all_cores(embed, list(images)))

    @fitting()
    def embed_texts(self, texts: Sequence[str]) -> Vectors:
        """Unit vectors (N, D) of texts, N > 0; equal texts are embedded once."""
        rows = {text: row for row, text in enumerate(dict.fromkeys(texts))}

        def embed(text: str) -> Vectors:
            return self.run("text", "vectors", ids=self.token_ids(text))["vectors"]

        return np.concatenate(on_all_cores(embed, list(rows)))[[rows[text] for text in texts]]


def cosines(one: Vectors, other: Vectors) -> NDArray[np.float64]:
    """Cosines (N,) of unit vectors (N, D) with unit vectors (N, D), pair by pair."""
    return np.array([float(a @ b) for a, b in zip(one, other, strict=True)], np.float64)
