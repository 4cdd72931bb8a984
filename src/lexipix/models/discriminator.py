"""The discriminator: heads on the frozen features of the features stage's CNN, and a small one on the pixels.

Projected discriminators (Sauer et al. 2021, arXiv 2111.01007): features that were learned before tell real
from drawn within minutes on a CPU, where a discriminator from scratch does not. They are blind to
repetition, though, so a trainable pixel head compares each picture with the others of its batch.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import spectral_norm

from lexipix.models.image_encoder import ImageEncoder

ALIKE_SCALE = 10.0  # inverse temperature of how near captions weigh


class DiscriminatorLogits(NamedTuple):
    """What a discriminator's heads say of a batch; above zero: real.

    Attributes:
        fit: (B, H), a logit of each head for the whole picture with its caption.
        patches: Of each head (B, cells), a logit for each place without the caption.
        misfit: (B, H), as ``fit``, with another caption; None where none was given.
    """

    fit: Tensor
    patches: tuple[Tensor, ...]
    misfit: Tensor | None = None


class DiscriminatorFeatures(NamedTuple):
    """What a discriminator judges by.

    Attributes:
        maps: The frozen encoder's, at three scales.
        rotated: The same, each turned by its rotation.
        images: The pictures themselves.
    """

    maps: tuple[Tensor, Tensor, Tensor]
    rotated: tuple[Tensor, ...]
    images: Tensor

    def detach(self) -> "DiscriminatorFeatures":
        """The same without the way back to the pictures."""
        half, quarter, eighth = (m.detach() for m in self.maps)
        return DiscriminatorFeatures(
            (half, quarter, eighth), tuple(m.detach() for m in self.rotated), self.images.detach()
        )


class Head(nn.Module):
    """A patch discriminator on one feature map; how well the caption fits is a product with its vector.

    Args:
        channels: Of the feature map.
        width: Channels inside.
        embed_dim: Length of the caption vectors.
    """

    def __init__(self, channels: int, width: int, embed_dim: int) -> None:
        super().__init__()
        self.first = spectral_norm(nn.Conv2d(channels, width, 3, padding=1))
        self.second = spectral_norm(nn.Conv2d(width, width, 3, padding=1))
        self.realism = spectral_norm(nn.Conv2d(width, 1, 1))
        self.caption = spectral_norm(nn.Linear(embed_dim, width, bias=False))

    def forward(self, maps: Tensor, vectors: Sequence[Tensor]) -> tuple[list[Tensor], Tensor]:
        """Judge ``maps`` (B, C, h, w) with caption vectors (B, V), one tensor or several.

        Returns:
            For each of them logits of the captions' fit (B, 1); and of each patch without a caption (B, h*w).
        """
        hidden = F.leaky_relu(self.first(maps), 0.2)
        hidden = F.leaky_relu(self.second(hidden), 0.2)
        patches = self.realism(hidden).flatten(1)
        mean, real = hidden.mean((2, 3)), patches.mean(1, keepdim=True)
        return [(mean * self.caption(vector)).sum(1, keepdim=True) + real for vector in vectors], patches


def deviation_from_alike(maps: Tensor, vector: Tensor) -> Tensor:
    """How much each picture differs from the batch's others with a similar caption, so that repetition shows.

    Minibatch standard deviation (Karras et al. 2018, arXiv 1710.10196), with the others weighted by how near
    their captions are: a generator that draws one picture per caption varies within a batch all the same.

    Args:
        maps: Features (B, C, h, w).
        vector: Caption vectors (B, V) of unit length times the root of V.

    Returns:
        (B,): root mean squared difference over channels and cells; 0 for a batch of one.
    """
    if len(maps) < 2:
        return maps.new_zeros(len(maps))
    flat, unit = maps.float().flatten(1), F.normalize(vector.float(), dim=1)
    itself = torch.eye(len(maps), dtype=torch.bool, device=maps.device)
    weights = (ALIKE_SCALE * unit @ unit.T).masked_fill(itself, -torch.inf).softmax(1)
    squared = weights @ flat.square() - 2 * flat * (weights @ flat) + flat.square()
    return (squared.mean(1).clamp_min(0) + 1e-8).sqrt()


class PixelHead(nn.Module):
    """A small trainable network on the pixels that also sees how much they differ from alike pictures.

    Args:
        width: Channels at half the side; twice as many at a quarter.
        embed_dim: Length of the caption vectors.
    """

    def __init__(self, width: int, embed_dim: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            spectral_norm(nn.Conv2d(3, width, 4, stride=2, padding=1)), nn.LeakyReLU(0.2),
            spectral_norm(nn.Conv2d(width, 2 * width, 4, stride=2, padding=1)), nn.LeakyReLU(0.2),
        )  # fmt: skip
        self.head = Head(2 * width + 1, 2 * width, embed_dim)

    def forward(self, images: Tensor, vectors: Sequence[Tensor]) -> tuple[list[Tensor], Tensor]:
        """Pictures (B, 3, S, S) and caption vectors (B, V) to logits: fits (B, 1), patches (B, (S/4)^2).

        By the first of the vectors pictures are compared with each other.
        """
        maps = self.body(images)
        with torch.autocast(images.device.type, enabled=False):
            deviation = deviation_from_alike(maps, vectors[0])
            deviation = deviation[:, None, None, None].expand(-1, 1, *maps.shape[2:])
        verdict: tuple[list[Tensor], Tensor] = self.head(
            torch.cat([maps, deviation.to(maps.dtype)], dim=1), vectors
        )
        return verdict


class Discriminator(nn.Module):
    """Heads on three frozen feature maps, each rotated by a random orthogonal matrix, beside a pixel head.

    Args:
        image_encoder: Trained; frozen here.
        map_channels: Channels of its three maps.
        embed_dim: Length of the caption vectors.
        width: Channels inside the heads.
    """

    def __init__(
        self, image_encoder: ImageEncoder, map_channels: tuple[int, int, int], embed_dim: int, width: int
    ) -> None:
        super().__init__()
        self.image_encoder = image_encoder.eval().requires_grad_(False)
        self.rotations = nn.ModuleList(nn.Conv2d(c, c, 1, bias=False) for c in map_channels)
        for rotation in self.rotations:
            assert isinstance(rotation.weight, Tensor)
            nn.init.orthogonal_(rotation.weight)
        self.rotations.requires_grad_(False)
        self.heads = nn.ModuleList(Head(c, width, embed_dim) for c in map_channels)
        self.pixels = PixelHead(width // 2, embed_dim)
        self.vector_scale = embed_dim**0.5

    def train(self, mode: bool = True) -> "Discriminator":
        """Training mode for the heads; the frozen encoder keeps its statistics."""
        super().train(mode)
        self.image_encoder.eval()
        return self

    def look(self, images: Tensor) -> DiscriminatorFeatures:
        """What :meth:`judge` judges of pictures in [-1, 1]."""
        maps = self.image_encoder.maps(images)
        return DiscriminatorFeatures(
            maps, tuple(rotate(m) for rotate, m in zip(self.rotations, maps, strict=True)), images
        )

    def judge(
        self, seen: DiscriminatorFeatures, vector: Tensor, other: Tensor | None = None
    ) -> DiscriminatorLogits:
        """Judge what :meth:`look` saw with caption vectors (B, V), and the fit with others (B, V) too."""
        vectors = [self.vector_scale * one for one in (vector, other) if one is not None]
        verdicts = [head(m, vectors) for head, m in zip(self.heads, seen.rotated, strict=True)]
        verdicts.append(self.pixels(seen.images, vectors))
        fits = [torch.cat(fit, dim=1).float() for fit in zip(*(fits for fits, _ in verdicts), strict=True)]
        return DiscriminatorLogits(
            fits[0], tuple(p.float() for _, p in verdicts), fits[1] if other is not None else None
        )

    def forward(self, images: Tensor, vector: Tensor) -> DiscriminatorLogits:
        """Judge pictures in [-1, 1] with the vectors (B, V) of their captions."""
        return self.judge(self.look(images), vector)
