"""From an 8x8 grid of features to a picture by doubling the side: the decoder of a GAN from random weights.

The VAE's decoder makes each 4x4 patch in one step, which regression can learn and an adversary cannot: its
patches show as a lattice. Here convolutions at every size join what their neighbours drew.
"""

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lexipix.models.blocks import zero_init
from lexipix.models.vae import GRID

MIN_WIDTH = 16


class UpBlock(nn.Module):
    """Doubles the side: two 3x3 convolutions beside a shortcut, normalised, modulated by a style.

    Args:
        inputs: Channels that come in.
        outputs: Channels that go out.
        style_width: Length of the style.
    """

    def __init__(self, inputs: int, outputs: int, style_width: int) -> None:
        super().__init__()
        self.norms = nn.ModuleList(nn.BatchNorm2d(channels, affine=False) for channels in (inputs, outputs))
        self.modulations = nn.ModuleList(
            zero_init(nn.Linear(style_width, 2 * channels)) for channels in (inputs, outputs)
        )
        self.first = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.second = nn.Conv2d(outputs, outputs, 3, padding=1)
        self.shortcut = nn.Conv2d(inputs, outputs, 1)

    def _modulated(self, index: int, x: Tensor, style: Tensor) -> Tensor:
        scale, shift = self.modulations[index](style)[..., None, None].chunk(2, dim=1)
        return F.relu(self.norms[index](x) * (1 + scale) + shift)

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        """``x`` (B, inputs, H, W) and ``style`` (B, style_width) to (B, outputs, 2H, 2W)."""
        hidden = self.first(_doubled(self._modulated(0, x, style)))
        hidden = self.second(self._modulated(1, hidden, style))
        return torch.add(hidden, _doubled(self.shortcut(x)))


class UpsamplingDecoder(nn.Module):
    """Features (B, C, 8, 8) to pictures (B, 3, S, S) in [-1, 1].

    Their mean over the grid, widened, serves as the style of every block.

    Args:
        image_size: Side in pixels: 16, 32, 64, 128 …
        latent_channels: C.
        width: Channels on the 8x8 grid; half of it at twice the side, and so on.

    Raises:
        ValueError: The side is not 8 doubled once or more.
    """

    def __init__(self, image_size: int, latent_channels: int, width: int) -> None:
        super().__init__()
        doublings = (image_size // GRID).bit_length() - 1
        if doublings < 1 or GRID << doublings != image_size:
            raise ValueError(f"image_size must be 16, 32, 64 or another doubling of 8, not {image_size}")
        widths = [width, *(max(width >> (i + 1), MIN_WIDTH) for i in range(doublings))]
        self.inward = (
            nn.Identity() if latent_channels == width else nn.Conv2d(latent_channels, width, 3, padding=1)
        )
        self.blocks = nn.ModuleList(UpBlock(inputs, outputs, width) for inputs, outputs in pairwise(widths))
        self.norm = nn.BatchNorm2d(widths[-1])
        self.outward = nn.Conv2d(widths[-1], 3, 3, padding=1)

    def forward(self, latents: Tensor) -> Tensor:
        x = self.inward(latents)
        style = x.mean((2, 3))
        for block in self.blocks:
            x = block(x, style)
        return torch.tanh(self.outward(F.relu(self.norm(x))))


def _doubled(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2.0, mode="nearest")
