"""The memory of the retrieval generator, made of the training images and a contrastive pair."""

import logging
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from lexipix.data.images import Images, evenly_spaced
from lexipix.models.contrastive_pair import ContrastivePair
from lexipix.models.neighbor_memory import memory_arrays
from lexipix.training.embedding import embed_images
from lexipix.training.generator_validation import GeneratorData
from lexipix.utils.packed_images import pack

logger = logging.getLogger(__name__)

BATCH = 512
SIZE_SAMPLE = 256  # images from which the size of all files is estimated


@torch.no_grad()
def build_memory(
    data: GeneratorData, pair: ContrastivePair, is_word: NDArray[np.bool_], max_mb: float
) -> dict[str, NDArray[Any]]:
    """Return the arrays of a memory of the training images, evenly spaced if all exceed ``max_mb``.

    ``is_word`` says which tokens of the captions count, bool (vocabulary,).
    """
    captions, device = data.captions, data.captions.device
    n_images = _n_images_within(data.images, max_mb)
    sources = evenly_spaced(len(data.images), n_images)
    logger.info("prior: a memory of %s of %s training images", f"{n_images:,}", f"{len(data.images):,}")
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
        is_word,
        captions.pad_id,
    )


def _n_images_within(images: Images, max_mb: float) -> int:
    """How many images fit into ``max_mb``, going by the files of some: at least one, at most all."""
    sample = images[evenly_spaced(len(images), SIZE_SAMPLE)]
    bytes_per_image = len(pack(sample)[0]) / len(sample)
    return min(len(images), max(1, int(1e6 * max_mb / bytes_per_image)))
