"""The discriminator: heads on the frozen features of the features stage's CNN, and a small one on the pixels.

Projected discriminators (Sauer et al. 2021, arXiv 2111.01007): features that were learned before tell real
from drawn within minutes on a CPU, where a discriminator from scratch does not. They are blind to
repetition, though, so a trainable pixel head compares each picture with the others of its batch.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import spectral_norm

from lexipix.networks.image_encoder import ImageEncoder

ALIKE_SCALE = 10.0  # inverse temperature of how near captions weigh


class Verdict(NamedTuple):
    """What a discriminator's heads say of a batch; above zero: real.

    Attributes:
        fit: (B, H), a logit of each head for the whole picture with its caption.
        patches: Of each head (B, cells), a logit for each place without the caption.
    """

    fit: Tensor
    patches: tuple[Tensor, ...]


class Head(nn.Module):
    """A patch discriminator on one feature map; how well the caption fits is a product with its vector.

    Args:
        channels: Of the feature map.
        width: Channels inside.
        vector_width: Length of the caption vectors.
    """

    def __init__(self, channels: int, width: int, vector_width: int) -> None:
        super().__init__()
        self.first = spectral_norm(nn.Conv2d(channels, width, 3, padding=1))
        self.second = spectral_norm(nn.Conv2d(width, width, 3, padding=1))
        self.realism = spectral_norm(nn.Conv2d(width, 1, 1))
        self.caption = spectral_norm(nn.Linear(vector_width, width, bias=False))

    def forward(self, maps: Tensor, vector: Tensor) -> tuple[Tensor, Tensor]:
        """Judge ``maps`` (B, C, h, w) with caption vectors ``vector`` (B, V).

        Returns:
            Logits of the caption's fit (B, 1), and of each patch without the caption (B, h*w).
        """
        hidden = F.leaky_relu(self.first(maps), 0.2)
        hidden = F.leaky_relu(self.second(hidden), 0.2)
        patches = self.realism(hidden).flatten(1)
        fit = (hidden.mean((2, 3)) * self.caption(vector)).sum(1, keepdim=True)
        return fit + patches.mean(1, keepdim=True), patches


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
        vector_width: Length of the caption vectors.
    """

    def __init__(self, width: int, vector_width: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            spectral_norm(nn.Conv2d(3, width, 4, stride=2, padding=1)), nn.LeakyReLU(0.2),
            spectral_norm(nn.Conv2d(width, 2 * width, 4, stride=2, padding=1)), nn.LeakyReLU(0.2),
        )  # fmt: skip
        self.head = Head(2 * width + 1, 2 * width, vector_width)

    def forward(self, images: Tensor, vector: Tensor) -> tuple[Tensor, Tensor]:
        """Pictures (B, 3, S, S) and caption vectors (B, V) to logits: fit (B, 1), patches (B, (S/4)^2)."""
        maps = self.body(images)
        with torch.autocast(images.device.type, enabled=False):
            deviation = deviation_from_alike(maps, vector)[:, None, None, None].expand(-1, 1, *maps.shape[2:])
        verdict: tuple[Tensor, Tensor] = self.head(torch.cat([maps, deviation.to(maps.dtype)], dim=1), vector)
        return verdict


class Discriminator(nn.Module):
    """Heads on three frozen feature maps, each rotated by a random orthogonal matrix, beside a pixel head.

    Args:
        image_encoder: Trained; frozen here.
        map_channels: Channels of its three maps.
        vector_width: Length of the caption vectors.
        width: Channels inside the heads.
    """

    def __init__(
        self, image_encoder: ImageEncoder, map_channels: tuple[int, int, int], vector_width: int, width: int
    ) -> None:
        super().__init__()
        self.image_encoder = image_encoder.eval().requires_grad_(False)
        self.rotations = nn.ModuleList(nn.Conv2d(c, c, 1, bias=False) for c in map_channels)
        for rotation in self.rotations:
            assert isinstance(rotation.weight, Tensor)
            nn.init.orthogonal_(rotation.weight)
        self.rotations.requires_grad_(False)
        self.heads = nn.ModuleList(Head(c, width, vector_width) for c in map_channels)
        self.pixels = PixelHead(width // 2, vector_width)
        self.vector_scale = vector_width**0.5

    def train(self, mode: bool = True) -> "Discriminator":
        """Training mode for the heads; the frozen encoder keeps its statistics."""
        super().train(mode)
        self.image_encoder.eval()
        return self

    def features(self, images: Tensor) -> tuple[Tensor, ...]:
        """Rotated frozen maps of pictures in [-1, 1], and the pictures: what :meth:`judge` looks at."""
        maps = self.image_encoder.maps(images)
        return (*(rotate(m) for rotate, m in zip(self.rotations, maps, strict=True)), images)

    def judge(self, features: tuple[Tensor, ...], vector: Tensor) -> Verdict:
        """Judge what :meth:`features` gave with caption vectors (B, V)."""
        vector = self.vector_scale * vector
        verdicts = [head(m, vector) for head, m in zip(self.heads, features[:-1], strict=True)]
        verdicts.append(self.pixels(features[-1], vector))
        fits = torch.cat([fit for fit, _ in verdicts], dim=1).float()
        return Verdict(fits, tuple(patches.float() for _, patches in verdicts))

    def forward(self, images: Tensor, vector: Tensor) -> Verdict:
        """Judge pictures in [-1, 1] with the vectors (B, V) of their captions."""
        return self.judge(self.features(images), vector)
