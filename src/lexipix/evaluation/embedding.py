"""Embeddings of images and captions by the evaluator, or by the contrastive pair of the features."""

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from lexipix.config.run import RunParameters
from lexipix.data.images import ImageRows, Images, Subset
from lexipix.data.tokenization import encode, pad_id
from lexipix.engines.base import Engine, row_parts
from lexipix.engines.local import LOCAL
from lexipix.models.configurable_network import ConfigurableNetwork
from lexipix.training.bundles import fingerprint, load_network, tokenizer_of
from lexipix.training.precision import resolve_device
from lexipix.utils.types import ModelBundle

Embeddings = NDArray[np.float32]


class Embedder:
    """Embeds images and captions with the evaluator, or with the contrastive pair of the features stage.

    4,096 images are a part for the engine.
    """

    def __init__(
        self,
        network: type[ConfigurableNetwork],
        bundle: ModelBundle,
        run: RunParameters,
        batch_size: int,
        engine: Engine = LOCAL,
    ) -> None:
        self._network, self._bundle, self._run, self._engine = network, bundle, run, engine
        self._device = resolve_device(run)
        self._pair: Any = load_network(bundle, network).to(self._device)
        self._tokenizer = tokenizer_of(bundle)
        self._pad_id = pad_id(self._tokenizer)
        self._max_tokens = int(bundle.config["max_tokens"])
        self._batch_size = batch_size

    def embed_images(self, images: Images) -> tuple[Embeddings, Embeddings]:
        """Returns features (N, F) of images for distances between sets, and unit vectors (N, D) for captions.

        Images are uint8 (N, H, W, 3).
        """
        parts = row_parts(len(images))

        def key() -> str:
            content = hashlib.sha256()
            for rows in parts:
                content.update(np.ascontiguousarray(images[rows]).data)
            digest = fingerprint(self._bundle, self._run, self._batch_size, content.hexdigest())
            return f"embedded/{digest}"

        arguments = images, self._network, self._bundle, self._run, self._batch_size
        embedded = np.concatenate(list(self._engine.contents(key, _embed_rows, parts, *arguments)))
        features, embeddings = np.split(embedded, [self._pair.image_encoder.project.in_features], axis=1)
        return np.ascontiguousarray(features), np.ascontiguousarray(embeddings)

    def embed_texts(self, texts: Sequence[str]) -> Embeddings:
        """Returns unit vectors of texts, (N, D); equal texts are encoded once."""
        unique, inverse = np.unique(np.asarray(texts, dtype=object), return_inverse=True)
        ids = torch.from_numpy(encode(self._tokenizer, list(unique), self._max_tokens))
        embeddings = []
        with torch.inference_mode():
            for batch in ids.to(self._device).split(self._batch_size):
                embeddings.append(self._pair.text_encoder(batch, batch != self._pad_id).float().cpu().numpy())
        return np.concatenate(embeddings)[inverse]

    def embed_paraphrases(self, paraphrases: Sequence[Sequence[str]]) -> Embeddings:
        """Returns the normalized mean embedding of the paraphrases of each image, at least one each: (N, D).

        Several paraphrases, or captions in two languages, describe a rare subject better than one.
        """
        counts = np.array([len(texts) for texts in paraphrases])
        embedded = self.embed_texts([text for texts in paraphrases for text in texts])
        means = np.add.reduceat(embedded, counts.cumsum() - counts, axis=0) / counts[:, None]
        lengths = np.linalg.norm(means, axis=1, keepdims=True)
        return np.asarray(means / np.maximum(lengths, 1e-12), np.float32)


def _embed_rows(
    rows: NDArray[np.int64],
    images: Images,
    network: type[ConfigurableNetwork],
    bundle: ModelBundle,
    run: RunParameters,
    batch_size: int,
) -> Embeddings:
    """Returns the features of some images, and beside them their unit vectors: (n, F + D)."""
    device, embedded = resolve_device(run), []
    encoder: Any = load_network(bundle, network).to(device).image_encoder
    read = ImageRows(Subset(images, rows), device)
    with torch.inference_mode():
        for batch in torch.arange(len(rows)).split(batch_size):
            encoded = encoder(read[batch])
            embedded.append(torch.cat([encoded.pooled, encoded.embedding], 1).float().cpu().numpy())
    return np.concatenate(embedded)
