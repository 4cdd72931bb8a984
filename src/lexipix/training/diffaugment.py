"""Differentiable augmentation of real and drawn pictures alike (DiffAugment, arXiv 2006.10738)."""

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

Augmentation = Literal["color", "translation", "cutout"]


def augment(images: Tensor, policy: Sequence[Augmentation]) -> Tensor:
    """Apply the named augmentations, each picture its own draw; gradients pass through.

    Args:
        images: (B, 3, S, S) in about [-1, 1].
        policy: Any of ``color`` (brightness, saturation, contrast), ``translation`` (up to an eighth of the
            side, mid-grey behind), ``cutout`` (a mid-grey square of about half the side). Colors and places
            that captions name must not be changed.

    Returns:
        Pictures of the same shape, no longer bounded by [-1, 1] after ``color``.
    """
    for name in policy:
        images = {"color": _color, "translation": _translate, "cutout": _cut}[name](images)
    return images


def _draw(images: Tensor, low: float, high: float) -> Tensor:
    return torch.rand(len(images), 1, 1, 1, device=images.device) * (high - low) + low


def _color(images: Tensor) -> Tensor:
    images = images + _draw(images, -0.5, 0.5)
    grey = images.mean(1, keepdim=True)
    images = grey + (images - grey) * _draw(images, 0.0, 2.0)
    mean = images.mean((1, 2, 3), keepdim=True)
    return mean + (images - mean) * _draw(images, 0.5, 1.5)


def _translate(images: Tensor) -> Tensor:
    size = images.shape[-1]
    reach = size // 8
    offsets = torch.randint(0, 2 * reach + 1, (2, len(images), 1), device=images.device)
    steps = torch.arange(size, device=images.device)
    rows, columns = offsets[0] + steps, offsets[1] + steps  # (B, S) each
    padded = F.pad(images, (reach,) * 4).permute(0, 2, 3, 1)
    batch = torch.arange(len(images), device=images.device)[:, None, None]
    return padded[batch, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)


def _cut(images: Tensor) -> Tensor:
    size = images.shape[-1]
    centers = torch.randint(0, size, (2, len(images), 1), device=images.device)
    steps = torch.arange(size, device=images.device)
    inside = [(steps - center).abs() < size // 4 for center in centers]  # (B, S) each
    hole = inside[0][:, :, None] & inside[1][:, None, :]
    cut: Tensor = images * (~hole)[:, None]
    return cut
