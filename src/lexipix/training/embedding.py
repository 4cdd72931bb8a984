"""Embeddings of all images of an array by the contrastive pair."""

import numpy as np
import torch
from numpy.typing import NDArray

from lexipix.data.images import ImageRows, Images
from lexipix.models.contrastive_pair import ContrastivePair
from lexipix.utils.mapped_array import mapped_array

BATCH = 256


def embed_images(pair: ContrastivePair, images: Images, device: torch.device) -> NDArray[np.float32]:
    """Return unit embeddings of images, uint8 (N, S, S, C), memory-mapped: float32 (N, D)."""
    encoder, rows = pair.image_encoder.to(device), ImageRows(images, device)
    batches = torch.arange(len(rows)).split(BATCH)
    with torch.inference_mode():
        return mapped_array(encoder(rows[batch]).embedding.float().cpu().numpy() for batch in batches)
