"""Pictures as tensors: uint8 on disk and in memory, [-1, 1] inside the networks."""

from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

N_VALIDATION = 512  # pictures a training validates with, where there are so many


class Images(Protocol):
    """Pictures by row numbers: a (memory-mapped) uint8 array (N, H, W, 3), or a :class:`Subset` of one."""

    def __len__(self) -> int: ...

    def __getitem__(self, rows: NDArray[np.int64], /) -> NDArray[np.uint8]: ...


class Subset:
    """Some rows of a memory-mapped array, without reading them.

    Args:
        images: uint8 (N, H, W, 3).
        rows: int (n,), the rows that count.
    """

    def __init__(self, images: Images, rows: NDArray[np.int64]) -> None:
        self.images, self.rows = images, rows

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, rows: NDArray[np.int64], /) -> NDArray[np.uint8]:
        return self.images[self.rows[rows]]


def normalize(images: Tensor) -> Tensor:
    """uint8 (B, H, W, 3) to float (B, 3, H, W) in [-1, 1], channels_last in memory."""
    return (images.permute(0, 3, 1, 2).float() / 127.5 - 1).contiguous(memory_format=torch.channels_last)


def denormalize(images: Tensor) -> Tensor:
    """Float (B, 3, H, W) in about [-1, 1] to a tensor of uint8 (B, H, W, 3), clamped and rounded."""
    return ((images.float() + 1) * 127.5).clamp(0, 255).round().to(torch.uint8).permute(0, 2, 3, 1)


def to_uint8(images: Tensor) -> NDArray[np.uint8]:
    """As :func:`denormalize`, to an array."""
    return denormalize(images).cpu().contiguous().numpy()


class ImageRows:
    """Rows of a memory-mapped picture array, read only as they are asked for.

    Args:
        images: uint8 (N, H, W, 3).
        device: Where batches go.
    """

    def __init__(self, images: Images, device: torch.device) -> None:
        self.images, self.device = images, device

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, rows: Tensor) -> Tensor:
        """Pictures of the given rows in [-1, 1], (B, 3, H, W)."""
        batch = torch.from_numpy(self.images[rows.numpy()])
        if self.device.type == "cuda":  # so that the copy need not wait for what the GPU is still at
            batch = batch.pin_memory()
        return normalize(batch.to(self.device, non_blocking=True))


def psnr_of(images: Tensor, others: Tensor) -> Tensor:
    """PSNR of each pair of pictures in [-1, 1], (B, 3, S, S): (B,) in decibels, at most 100."""
    error = (images - others).square().flatten(1).mean(1) / 4
    return -10 * error.clamp_min(1e-10).log10()


def shift(images: Tensor, pixels: int, border: str = "replicate") -> Tensor:
    """Move each picture by a random whole number of pixels in each direction, channels last in memory.

    Args:
        images: (B, C, H, W).
        pixels: At most so far.
        border: What comes in at the edge, a mode of torch's ``pad``: its pixel repeated, or ``reflect``.
    """
    n_images, _, height, width = images.shape
    device = images.device
    padded = F.pad(images, (pixels,) * 4, mode=border).permute(0, 2, 3, 1)
    down, right = torch.randint(0, 2 * pixels + 1, (2, n_images, 1)).to(device)
    rows = (down + torch.arange(height, device=device))[:, :, None]
    columns = (right + torch.arange(width, device=device))[:, None, :]
    each = torch.arange(n_images, device=device)[:, None, None]
    return padded[each, rows, columns].permute(0, 3, 1, 2)


def mirror(images: Tensor, coins: Tensor) -> Tensor:
    """Mirror those pictures, left to right, whose coin (B,), from [0, 1), fell below a half."""
    return torch.where(coins[:, None, None, None].to(images.device) < 0.5, images.flip(-1), images)
