"""A trained contrastive pair put to use: vectors and features of many pictures and captions."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from lexipix.config.run import RunParameters
from lexipix.data.images import normalize
from lexipix.data.tokenization import encode, pad_id
from lexipix.models.contrastive_pair import ContrastivePair
from lexipix.training.bundles import load_network, tokenizer_of
from lexipix.training.precision import resolve_device
from lexipix.utils.types import ModelBundle

Vectors = NDArray[np.float32]
Pixels = NDArray[np.uint8]


class Judge:
    """A trained contrastive pair looking at pictures and reading captions.

    Args:
        bundle: The evaluator, or the features stage's pair.
        run: Chooses the device.
        batch_size: Pictures or captions at a time.
    """

    def __init__(self, bundle: ModelBundle, run: RunParameters, batch_size: int) -> None:
        self._device = resolve_device(run)
        self._pair = load_network(bundle, ContrastivePair).to(self._device)
        self._tokenizer = tokenizer_of(bundle)
        self._pad_id = pad_id(self._tokenizer)
        self._max_tokens = int(bundle.config["max_tokens"])
        self._batch_size = batch_size

    def look(self, images: Pixels) -> tuple[Vectors, Vectors]:
        """Features (N, F) for distances between sets, and unit vectors (N, D) to compare with captions."""
        features, vectors = [], []
        with torch.inference_mode():
            for start in range(0, len(images), self._batch_size):
                batch = torch.from_numpy(np.array(images[start : start + self._batch_size]))
                seen = self._pair.image_encoder(normalize(batch.to(self._device)))
                features.append(seen.pooled.float().cpu().numpy())
                vectors.append(seen.embedding.float().cpu().numpy())
        return np.concatenate(features), np.concatenate(vectors)

    def read(self, captions: Sequence[str]) -> Vectors:
        """Unit vectors of captions, (N, D); equal captions are read once."""
        texts, inverse = np.unique(np.asarray(captions, dtype=object), return_inverse=True)
        ids = torch.from_numpy(encode(self._tokenizer, texts.tolist(), self._max_tokens))
        vectors = []
        with torch.inference_mode():
            for batch in ids.to(self._device).split(self._batch_size):
                vectors.append(self._pair.text_encoder(batch, batch != self._pad_id).float().cpu().numpy())
        return np.concatenate(vectors)[inverse]

    def understand(self, wordings: Sequence[Sequence[str]]) -> Vectors:
        """Unit vectors (N, D) of what several wordings say together, the mean of theirs; at least one each.

        A caption of things never seen says more in several ways, or in two languages, than in one.
        """
        counts = np.array([len(texts) for texts in wordings])
        read = self.read([text for texts in wordings for text in texts])
        means = np.add.reduceat(read, counts.cumsum() - counts, axis=0) / counts[:, None]
        lengths = np.linalg.norm(means, axis=1, keepdims=True)
        return np.asarray(means / np.maximum(lengths, 1e-12), np.float32)
