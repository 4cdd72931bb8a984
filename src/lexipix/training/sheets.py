"""Sample sheets of pictures in pairs."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lexipix.training.data import to_uint8


def two_rows(above: Tensor, below: Tensor) -> NDArray[np.uint8]:
    """Lay pictures out in two rows, each above its partner.

    Args:
        above: (N, 3, S, S) in about [-1, 1].
        below: The same shape.

    Returns:
        uint8 (2S, N*S, 3).
    """
    pairs = to_uint8(torch.cat([above, below.float()]))
    n_images, size = len(above), pairs.shape[1]
    grid = pairs.reshape(2, n_images, size, size, 3).transpose(0, 2, 1, 3, 4)
    return grid.reshape(2 * size, n_images * size, 3)
