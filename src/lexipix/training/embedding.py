"""Embeddings of all images of an array by the contrastive pair."""

import numpy as np
import torch
from numpy.typing import NDArray

from lexipix.data.images import ImageRows, Images
from lexipix.models.contrastive_pair import ContrastivePair

BATCH = 256


def embed_images(pair: ContrastivePair, images: Images, device: torch.device) -> NDArray[np.float32]:
    """Return unit embeddings of images, uint8 (N, S, S, C): float32 (N, D)."""
    encoder, rows = pair.image_encoder.to(device), ImageRows(images, device)
    batches = torch.arange(len(rows)).split(BATCH)
    with torch.inference_mode():
        embeddings = torch.cat([encoder(rows[batch]).embedding.float().cpu() for batch in batches])
    return embeddings.numpy()
