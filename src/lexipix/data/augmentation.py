"""Differentiable augmentation of real and generated images alike (DiffAugment, arXiv 2006.10738)."""

from collections.abc import Callable, Mapping, Sequence
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from lexipix.data.images import shift

Augmentation = Literal["color", "translation", "cutout", "jitter"]


def augment(images: Tensor, policy: Sequence[Augmentation]) -> Tensor:
    """Return images with the named augmentations, each image its own draw; gradients pass through.

    Args:
        images: (B, C, S, S) in about [-1, 1]; after ``color`` they are no longer bounded.
        policy: Any of ``color`` (brightness, saturation, contrast), ``translation`` (up to an eighth of the
            side, mid-grey behind), ``cutout`` (a mid-grey square of about half the side), ``jitter`` (rotated
            by up to ten degrees, scaled by up to a seventh, moved by up to a sixteenth of the side, the edges
            repeated, and colors changed so little that their names stay). Colors and places that captions
            name must not be changed.
    """
    for name in policy:
        images = _POLICIES[name](images)
    return images


def _draw(images: Tensor, low: float, high: float) -> Tensor:
    return torch.rand(len(images), 1, 1, 1, device=images.device) * (high - low) + low


def _places(images: Tensor, n_places: int) -> Tensor:
    """Return a random row and a random column, below ``n_places``, for each image: (2, B, 1)."""
    return torch.randint(0, n_places, (2, len(images), 1), device=images.device)


def _color(images: Tensor) -> Tensor:
    return _recolor(images + _draw(images, -0.5, 0.5), saturation=(0.0, 2.0), contrast=(0.5, 1.5))


def _recolor(images: Tensor, saturation: tuple[float, float], contrast: tuple[float, float]) -> Tensor:
    if images.shape[1] == 4:  # alpha stays, and bounds the premultiplied colors
        colors, alpha = _recolor(images[:, :3], saturation, contrast), images[:, 3:]
        return torch.cat([torch.minimum(colors, alpha), alpha], dim=1)
    grey = images.mean(1, keepdim=True)
    images = grey + (images - grey) * _draw(images, *saturation)
    mean = images.mean((1, 2, 3), keepdim=True)
    return mean + (images - mean) * _draw(images, *contrast)


def _translate(images: Tensor) -> Tensor:
    reach = images.shape[-1] // 8
    return shift(images, _places(images, 2 * reach + 1), reach, "constant")


def _cut(images: Tensor) -> Tensor:
    size = images.shape[-1]
    steps = torch.arange(size, device=images.device)
    inside = [(steps - center).abs() < size // 4 for center in _places(images, size)]  # (B, S) each
    hole = inside[0][:, :, None] & inside[1][:, None, :]
    cut: Tensor = images * (~hole)[:, None]
    return cut


def _jitter(images: Tensor) -> Tensor:
    angle, scale, dx, dy = (
        _draw(images, low, high).flatten()
        for low, high in ((-0.175, 0.175), (0.85, 1.15), (-0.125, 0.125), (-0.125, 0.125))  # the side is 2
    )
    cos, sin = scale * angle.cos(), scale * angle.sin()
    rotation = torch.stack([torch.stack([cos, -sin, dx], 1), torch.stack([sin, cos, dy], 1)], 1)  # (B, 2, 3)
    grid = F.affine_grid(rotation, list(images.shape), align_corners=False)
    moved = F.grid_sample(images, grid, padding_mode="border", align_corners=False)
    changed = _recolor(moved, saturation=(0.6, 1.4), contrast=(0.75, 1.25))
    return (changed + _draw(images, -0.15, 0.15)).clamp(-1, 1)


_POLICIES: Mapping[Augmentation, Callable[[Tensor], Tensor]] = {
    "color": _color,
    "translation": _translate,
    "cutout": _cut,
    "jitter": _jitter,
}
