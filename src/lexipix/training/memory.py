"""The memory of the retrieval generator, made of the training images and a contrastive pair."""

import logging
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from lexipix.models.contrastive_pair import ContrastivePair
from lexipix.models.neighbor_memory import memory_arrays
from lexipix.training.embedding import embed_images
from lexipix.training.generator_validation import GeneratorData

logger = logging.getLogger(__name__)

BATCH = 512


@torch.no_grad()
def build_memory(data: GeneratorData, pair: ContrastivePair, max_images: int) -> dict[str, NDArray[Any]]:
    """Return the arrays of a memory of the training images, of ``max_images`` evenly spaced ones at most."""
    captions, device = data.captions, data.captions.device
    n_images = min(len(data.images), max_images)
    sources = np.linspace(0, len(data.images) - 1, n_images).round().astype(np.int64)
    logger.info("prior: a memory of %s training images", f"{n_images:,}")
    pair.to(device).eval()
    chosen = torch.from_numpy(sources)
    starts, counts = captions.starts[chosen].tolist(), captions.counts[chosen].tolist()
    rows = [row for start, count in zip(starts, counts, strict=True) for row in range(start, start + count)]
    keys, ids = [], []
    for some in torch.tensor(rows).split(BATCH):
        texts = captions.select(some)
        keys.append(pair.text_encoder(texts, texts != captions.pad_id).float().cpu())
        ids += list(texts.cpu().numpy())
    wordings, first = [], 0
    for count in counts:
        wordings.append(ids[first : first + count])
        first += count
    images = data.images[sources]
    return memory_arrays(
        list(images),
        sources,
        wordings,
        torch.cat(keys).numpy(),
        embed_images(pair, images, device),
        pair.text_encoder.tokens.num_embeddings,
        captions.pad_id,
        captions.eos_id,
    )
