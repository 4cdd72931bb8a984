"""The discriminator: heads on frozen features of the contrastive pair's CNN, and a small head on the pixels.

Features that were learned before separate real from generated images within minutes on a CPU (projected GANs,
Sauer et al. 2021, arXiv 2111.01007). Since they do not notice repetition, the pixel head compares images.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import spectral_norm

from lexipix.models.image_encoder import ImageEncoder

CAPTION_SHARPNESS = 10.0  # inverse temperature of the weights of similar captions


class DiscriminatorLogits(NamedTuple):
    """Logits of the H heads for a batch; above zero means real."""

    match_logits: Tensor  # for the whole image with its caption, (B, H)
    patch_logits: tuple[Tensor, ...]  # for each place without a caption, (B, cells) for each head
    mismatch_logits: Tensor | None = None  # for the whole image with another caption, (B, H)


class DiscriminatorFeatures(NamedTuple):
    """Inputs of the heads: maps of the frozen encoder, the same with rotated channels, and the images."""

    maps: tuple[Tensor, Tensor, Tensor]
    rotated: tuple[Tensor, ...]
    images: Tensor

    def detach(self) -> "DiscriminatorFeatures":
        """The same features without gradients to the images."""
        half, quarter, eighth = (one.detach() for one in self.maps)
        rotated = tuple(one.detach() for one in self.rotated)
        return DiscriminatorFeatures((half, quarter, eighth), rotated, self.images.detach())


class Head(nn.Module):
    """A patch discriminator on one feature map, with a projection of the caption's embedding."""

    def __init__(self, channels: int, width: int, embed_dim: int) -> None:
        super().__init__()
        self.first = spectral_norm(nn.Conv2d(channels, width, 3, padding=1))
        self.second = spectral_norm(nn.Conv2d(width, width, 3, padding=1))
        self.realism = spectral_norm(nn.Conv2d(width, 1, 1))
        self.caption = spectral_norm(nn.Linear(embed_dim, width, bias=False))

    def forward(self, maps: Tensor, embeddings: Sequence[Tensor]) -> tuple[list[Tensor], Tensor]:
        """Match logits (B, 1) of maps (B, C, h, w) with each of the embeddings (B, D), and patch logits."""
        hidden = F.leaky_relu(self.first(maps), 0.2)
        hidden = F.leaky_relu(self.second(hidden), 0.2)
        patches = self.realism(hidden).flatten(1)
        mean, realism = hidden.mean((2, 3)), patches.mean(1, keepdim=True)
        matches = [(mean * self.caption(one)).sum(1, keepdim=True) + realism for one in embeddings]
        return matches, patches


def minibatch_deviation(maps: Tensor, embedding: Tensor) -> Tensor:
    """Root mean squared difference of each image to those of the batch with a similar caption, (B,).

    Minibatch standard deviation (Karras et al. 2018, arXiv 1710.10196), weighted by the similarity of the
    captions: a generator with one image per caption still varies within a batch of different captions.
    Features are (B, C, h, w), caption embeddings (B, D) of any length; for a batch of one the result is 0.
    """
    if len(maps) < 2:
        return maps.new_zeros(len(maps))
    flat, unit = maps.float().flatten(1), F.normalize(embedding.float(), dim=1)
    itself = torch.eye(len(maps), dtype=torch.bool, device=maps.device)
    weights = (CAPTION_SHARPNESS * unit @ unit.T).masked_fill(itself, -torch.inf).softmax(1)
    squared = weights @ flat.square() - 2 * flat * (weights @ flat) + flat.square()
    return (squared.mean(1).clamp_min(0) + 1e-8).sqrt()


class PixelHead(nn.Module):
    """A small trainable network on the pixels, with :func:`minibatch_deviation` as one more channel."""

    def __init__(self, width: int, embed_dim: int, image_channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            spectral_norm(nn.Conv2d(image_channels, width, 4, stride=2, padding=1)), nn.LeakyReLU(0.2),
            spectral_norm(nn.Conv2d(width, 2 * width, 4, stride=2, padding=1)), nn.LeakyReLU(0.2),
        )  # fmt: skip
        self.head = Head(2 * width + 1, 2 * width, embed_dim)

    def forward(self, images: Tensor, embeddings: Sequence[Tensor]) -> tuple[list[Tensor], Tensor]:
        """Logits of images (B, C, S, S) as from :class:`Head`; the first embeddings weight the deviation."""
        maps = self.body(images)  # (B, 2 * width, S / 4, S / 4)
        with torch.autocast(images.device.type, enabled=False):
            deviation = minibatch_deviation(maps, embeddings[0])
            deviation = deviation[:, None, None, None].expand(-1, 1, *maps.shape[2:])
        maps = torch.cat([maps, deviation.to(maps.dtype)], dim=1)
        logits: tuple[list[Tensor], Tensor] = self.head(maps, embeddings)
        return logits


class Discriminator(nn.Module):
    """Heads on three frozen maps of an encoder, each after a random orthogonal rotation, and a pixel head."""

    def __init__(
        self, image_encoder: ImageEncoder, embed_dim: int, width: int, image_channels: int = 3
    ) -> None:
        super().__init__()
        map_channels = image_encoder.map_channels
        self.image_encoder = image_encoder.eval().requires_grad_(False)
        self.rotations = nn.ModuleList(nn.Conv2d(c, c, 1, bias=False) for c in map_channels)
        for rotation in self.rotations:
            assert isinstance(rotation.weight, Tensor)
            nn.init.orthogonal_(rotation.weight)
        self.rotations.requires_grad_(False)
        self.heads = nn.ModuleList(Head(c, width, embed_dim) for c in map_channels)
        self.pixel_head = PixelHead(width // 2, embed_dim, image_channels)
        self.embedding_scale = embed_dim**0.5  # unit vectors to unit variance

    def train(self, mode: bool = True) -> "Discriminator":
        """Set the mode of the heads; the frozen encoder stays in evaluation mode."""
        super().train(mode)
        self.image_encoder.eval()
        return self

    def extract(self, images: Tensor) -> DiscriminatorFeatures:
        """Features of images in [-1, 1], (B, C, S, S), for :meth:`classify`."""
        maps = self.image_encoder.feature_maps(images)
        rotated = tuple(rotate(one) for rotate, one in zip(self.rotations, maps, strict=True))
        return DiscriminatorFeatures(maps, rotated, images)

    def classify(
        self, features: DiscriminatorFeatures, embedding: Tensor, other: Tensor | None = None
    ) -> DiscriminatorLogits:
        """Logits of features with the captions' embeddings (B, D), and with those of other captions."""
        embeddings = [self.embedding_scale * one for one in (embedding, other) if one is not None]
        logits = [head(one, embeddings) for head, one in zip(self.heads, features.rotated, strict=True)]
        logits.append(self.pixel_head(features.images, embeddings))
        by_caption = zip(*(matches for matches, _ in logits), strict=True)
        matches = [torch.cat(heads, dim=1).float() for heads in by_caption]  # (B, H) each
        patches = tuple(one.float() for _, one in logits)
        return DiscriminatorLogits(matches[0], patches, matches[1] if other is not None else None)

    def forward(self, images: Tensor, embedding: Tensor) -> DiscriminatorLogits:
        """Logits of images in [-1, 1] with the embeddings (B, D) of their captions."""
        return self.classify(self.extract(images), embedding)
