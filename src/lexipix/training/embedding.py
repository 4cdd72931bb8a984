"""Embeddings of all images of an array by the contrastive pair."""

from collections.abc import Sequence
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray

from lexipix.config.run import RunParameters
from lexipix.data.images import ImageRows, Images, Subset
from lexipix.engines.base import Engine, row_parts
from lexipix.models.contrastive_pair import ContrastivePair
from lexipix.training.bundles import fingerprint, load_network
from lexipix.training.precision import resolve_device
from lexipix.utils.mapped_array import mapped_array
from lexipix.utils.types import ImageSplits, ModelBundle, SplitName

BATCH = 256


def embed_images(pair: ContrastivePair, images: Images, device: torch.device) -> NDArray[np.float32]:
    """Return unit embeddings of images, uint8 (N, S, S, C), memory-mapped: float32 (N, D)."""
    encoder, rows = pair.image_encoder.to(device), ImageRows(images, device)
    batches = torch.arange(len(rows)).split(BATCH)
    with torch.inference_mode():
        return mapped_array(encoder(rows[batch]).embedding.float().cpu().numpy() for batch in batches)


def embed_splits(
    bundle: ModelBundle,
    image_splits: ImageSplits,
    splits: Sequence[SplitName],
    run: RunParameters,
    engine: Engine,
) -> dict[str, NDArray[np.float32]]:
    """Return unit embeddings of the images of some splits, memory-mapped: float32 (N, D) each."""
    found: dict[str, NDArray[np.float32]] = {}
    for split in splits:
        parts, key = row_parts(len(image_splits[split])), partial(_key, bundle, image_splits, split, run)
        found[split] = mapped_array(
            engine.contents(key, _embed_rows, parts, bundle, image_splits, split, run)
        )
    return found


def _key(bundle: ModelBundle, image_splits: ImageSplits, split: SplitName, run: RunParameters) -> str:
    return f"embeddings-{split}/{fingerprint(bundle, run, image_splits.digest)}"


def _embed_rows(
    rows: NDArray[np.int64],
    bundle: ModelBundle,
    image_splits: ImageSplits,
    split: SplitName,
    run: RunParameters,
) -> NDArray[np.float32]:
    pair = load_network(bundle, ContrastivePair)
    return embed_images(pair, Subset(image_splits[split].images, rows), resolve_device(run))
