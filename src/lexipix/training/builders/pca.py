"""The images from which linear maps start as principal components."""

import torch
from torch import Tensor

from lexipix.data.images import ImageRows, Images

N_IMAGES = 2000  # more make no visible difference


def pca_sample(images: Images) -> Tensor:
    """Return the first training images, in [-1, 1] on the CPU: (N, 3, S, S)."""
    return ImageRows(images, torch.device("cpu"))[torch.arange(min(len(images), N_IMAGES))]
