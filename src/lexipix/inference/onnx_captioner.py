"""An exported captioner: images to captions, without torch."""

import numpy as np

from lexipix.data.tokenization import decode
from lexipix.inference.exported_config import CaptionerConfig
from lexipix.inference.onnx_session import BATCH, OnnxSession, Pixels, Vectors, fitting, normalize_pixels
from lexipix.utils.threads import on_all_cores


class OnnxCaptioner(OnnxSession):
    """Writes captions of images: the graph ``see`` encodes them, ``next_word`` gives a token's logits."""

    graphs = ("see", "next_word")
    config_type = CaptionerConfig
    config: CaptionerConfig

    @fitting()
    def encode_images(self, images: Pixels) -> Vectors:
        """Image features (B, cells, width) of images, uint8 (B, S, S, 3)."""
        return self.run("see", "cells", images=normalize_pixels(images))["cells"]

    @fitting()
    def caption(self, images: Pixels) -> list[str]:
        """The most probable captions of images, uint8 (N, S, S, 3)."""

        def batch(start: int) -> list[str]:
            return self.generate(self.encode_images(images[start : start + BATCH]))

        return [text for texts in on_all_cores(batch, range(0, len(images), BATCH)) for text in texts]

    @fitting()
    def generate(
        self, features: Vectors, temperature: float = 0.0, rng: np.random.Generator | None = None
    ) -> list[str]:
        """Write captions, token by token, of B images from their features (B, cells, width).

        Temperature 0 takes the most probable token; more samples from the softmax, with ``rng``.
        """
        pad, eos = self.config.pad_id, self.config.eos_id
        ids = np.full((len(features), 1), self.config.start_id, np.int64)
        written = np.full((len(features), self.max_tokens), pad, np.int64)
        layers, heads, width = self.config.memory or (0, 0, 0)
        memory = np.zeros((len(features), layers, heads, 0, width), np.float32)  # the attention cache
        rows = np.arange(len(features))
        for place in range(self.max_tokens):
            if layers:
                position = np.array([place], np.int64)
                outputs = self.run(
                    "next_word", words=ids[:, -1], position=position, cells=features, memory=memory
                )
                memory = outputs["kept"]
            else:
                outputs = self.run("next_word", ids=ids, cells=features)
            logits = outputs["logits"]
            if pad != eos:
                logits[:, pad] = -np.inf
            if temperature and rng is not None:
                # The argmax of logits plus Gumbel noise is a sample from their softmax
                logits = logits / np.float32(temperature) + rng.gumbel(size=logits.shape).astype(np.float32)
            tokens = logits.argmax(1)
            written[rows, place] = tokens
            ids = np.concatenate([ids, tokens[:, None]], 1)
            unfinished = np.flatnonzero(tokens != eos)
            if not len(unfinished):
                break
            if len(unfinished) < len(rows):
                rows, ids = rows[unfinished], ids[unfinished]
                features, memory = features[unfinished], memory[unfinished]
        return decode(self.tokenizer, written)
