"""Images as tensors: uint8 on disk and in memory, floats in [-1, 1] inside the networks.

They have three channels, or four where the folder's images are transparent: then colors are premultiplied.
"""

from collections.abc import Sequence
from functools import cached_property
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

N_VALIDATION = 512  # images of a validation, if there are so many


class Images(Protocol):
    """Images by row numbers: a (memory-mapped) uint8 array (N, H, W, 3), or a :class:`Subset` of one."""

    def __len__(self) -> int: ...

    def __getitem__(self, rows: NDArray[np.int64], /) -> NDArray[np.uint8]: ...


class Subset:
    """The ``rows`` (n,) of an array of images, uint8 (N, H, W, C), which are read on access."""

    def __init__(self, images: Images, rows: NDArray[np.int64]) -> None:
        self.images, self.rows = images, rows

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, rows: NDArray[np.int64], /) -> NDArray[np.uint8]:
        return self.images[self.rows[rows]]


class Joined:
    """Several arrays of images of one size, uint8 (N, H, W, C), one after the other, read on access."""

    def __init__(self, parts: Sequence[Images]) -> None:
        self.parts, self.ends = parts, np.cumsum([len(part) for part in parts])

    def __len__(self) -> int:
        return int(self.ends[-1])

    def __getitem__(self, rows: NDArray[np.int64], /) -> NDArray[np.uint8]:
        owners = np.searchsorted(self.ends, rows, side="right")
        images = np.empty((len(rows), *self.parts[0][rows[:0]].shape[1:]), np.uint8)
        for number, part in enumerate(self.parts):
            own = owners == number
            images[own] = part[rows[own] - (self.ends[number] - len(part))]
        return images


def shard_ends(images: Images) -> tuple[int, ...] | None:
    """The rows before which the shards end that images are in, ascending; None where they are in none.

    Rows of a :class:`Subset` in another order are one shard.
    """
    if isinstance(images, Subset):
        if (inner := shard_ends(images.images)) is None:
            return None
        if not (np.diff(images.rows) > 0).all():
            return (len(images),)
        ends = np.unique(np.searchsorted(images.rows, inner))
        return tuple(ends[ends > 0].tolist())
    if isinstance(images, Joined):
        parts = [shard_ends(part) for part in images.parts]
        if all(part is None for part in parts):
            return None
        starts = [0, *images.ends.tolist()]
        own = [(len(one),) if part is None else part for one, part in zip(images.parts, parts, strict=True)]
        return tuple(start + end for start, part in zip(starts, own, strict=False) for end in part)
    ends_in_store: NDArray[np.int64] | None = getattr(images, "shard_ends", None)
    return None if ends_in_store is None else tuple(ends_in_store.tolist())


def normalize(images: Tensor) -> Tensor:
    """uint8 (B, H, W, C) to float (B, C, H, W) in [-1, 1], channels_last in memory."""
    return (images.permute(0, 3, 1, 2).float() / 127.5 - 1).contiguous(memory_format=torch.channels_last)


def denormalize(images: Tensor) -> Tensor:
    """Float (B, C, H, W), about [-1, 1], to a uint8 tensor (B, H, W, C), clamped and rounded.

    Premultiplied colors are at most their alpha.
    """
    levels = ((images.float() + 1) * 127.5).clamp(0, 255).round()
    if images.shape[1] == 4:
        levels = torch.cat([torch.minimum(levels[:, :3], levels[:, 3:]), levels[:, 3:]], dim=1)
    return levels.to(torch.uint8).permute(0, 2, 3, 1)


def to_uint8(images: Tensor) -> NDArray[np.uint8]:
    """:func:`denormalize` to a NumPy array."""
    return denormalize(images).cpu().contiguous().numpy()


class ImageRows:
    """Batches on a device from a (memory-mapped) array of images, uint8 (N, H, W, C), read on access."""

    def __init__(self, images: Images, device: torch.device) -> None:
        self.images, self.device = images, device

    def __len__(self) -> int:
        return len(self.images)

    @cached_property
    def shard_ends(self) -> tuple[int, ...] | None:
        """Those of :func:`shard_ends`."""
        return shard_ends(self.images)

    def __getitem__(self, rows: Tensor) -> Tensor:
        """Images ``rows`` in [-1, 1], (B, C, H, W)."""
        batch = torch.from_numpy(self.images[rows.numpy()])
        if self.device.type == "cuda":  # pinned, so that the copy does not wait for the GPU
            batch = batch.pin_memory()
        return normalize(batch.to(self.device, non_blocking=True))


def batch_psnr(images: Tensor, others: Tensor) -> Tensor:
    """PSNR of each pair of images in [-1, 1], (B, C, S, S): (B,) in dB, at most 100."""
    error = (images - others).square().flatten(1).mean(1) / 4
    return -10 * error.clamp_min(1e-10).log10()


def evenly_spaced(n: int, limit: int | None) -> NDArray[np.intp]:
    """Returns at most ``limit`` (None: all) of the indices below ``n``, evenly spaced and sorted."""
    n_indices = n if limit is None else min(n, limit)
    if not n_indices:
        return np.zeros(0, np.intp)
    return np.unique(np.linspace(0, n - 1, n_indices).round().astype(np.intp))


def random_crop(images: Tensor, side: int) -> Tensor:
    """Cut images (B, C, S, S) to a square of at most ``side`` pixels, the same random one for the batch."""
    size = images.shape[-1]
    if size <= side:
        return images
    top, left = torch.randint(0, size - side + 1, (2,)).tolist()
    return images[..., top : top + side, left : left + side]


def random_shift(images: Tensor, pixels: int, border: str = "replicate") -> Tensor:
    """Shift images (B, C, H, W) by random whole pixels on both axes; ``border`` as for torch's ``pad``."""
    offsets = torch.randint(0, 2 * pixels + 1, (2, len(images), 1)).to(images.device)
    return shift(images, offsets, pixels, border)


def shift(images: Tensor, offsets: Tensor, pixels: int, border: str) -> Tensor:
    """Shift images (B, C, H, W) by ``offsets - pixels``; ``offsets`` (2, B, 1) are 0 to twice ``pixels``."""
    n_images, _, height, width = images.shape
    padded = F.pad(images, (pixels,) * 4, mode=border).permute(0, 2, 3, 1)
    rows = offsets[0] + torch.arange(height, device=images.device)  # (B, H)
    columns = offsets[1] + torch.arange(width, device=images.device)  # (B, W)
    each = torch.arange(n_images, device=images.device)[:, None, None]
    return padded[each, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)


def random_hflip(images: Tensor, uniform: Tensor) -> Tensor:
    """Mirror those images, left to right, whose number in ``uniform`` (B,), from [0, 1), is below 0.5."""
    return torch.where(uniform[:, None, None, None].to(images.device) < 0.5, images.flip(-1), images)
