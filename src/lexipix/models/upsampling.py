"""The GAN's own decoder: an 8x8 feature grid to an image by doubling the side.

With an adversarial loss the patches of the VAE's decoder show as a lattice; here convolutions join them.
"""

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lexipix.models.blocks import zero_init
from lexipix.models.vae import GRID

MIN_WIDTH = 16


class UpBlock(nn.Module):
    """Doubles the side: two normalized 3x3 convolutions, modulated by a style, and a shortcut."""

    def __init__(self, in_channels: int, out_channels: int, style_dim: int) -> None:
        super().__init__()
        both = (in_channels, out_channels)
        self.norms = nn.ModuleList(nn.BatchNorm2d(channels, affine=False) for channels in both)
        self.modulations = nn.ModuleList(zero_init(nn.Linear(style_dim, 2 * channels)) for channels in both)
        self.first = nn.Conv2d(in_channels, out_channels, 3, padding=1)
        self.second = nn.Conv2d(out_channels, out_channels, 3, padding=1)
        self.shortcut = nn.Conv2d(in_channels, out_channels, 1)

    def _modulate(self, index: int, x: Tensor, style: Tensor) -> Tensor:
        scale, shift = self.modulations[index](style)[..., None, None].chunk(2, dim=1)
        return F.relu(self.norms[index](x) * (1 + scale) + shift)

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        """``x`` (B, in, H, W) and ``style`` (B, style_dim) to (B, out, 2H, 2W)."""
        hidden = self.first(_double(self._modulate(0, x, style)))
        hidden = self.second(self._modulate(1, hidden, style))
        return torch.add(hidden, _double(self.shortcut(x)))


class UpsamplingDecoder(nn.Module):
    """Features (B, C, 8, 8) to images (B, 3 or 4, S, S) in [-1, 1]; their mean over the grid is the style.

    The 8x8 grid has ``width`` channels, twice the side half of them, and so on, 16 at least.

    Raises:
        ValueError: The side is not 8 doubled once or more.
    """

    def __init__(self, image_size: int, latent_channels: int, width: int, image_channels: int = 3) -> None:
        super().__init__()
        doublings = (image_size // GRID).bit_length() - 1
        if doublings < 1 or GRID << doublings != image_size:
            raise ValueError(f"image_size must be 16, 32, 64 or another doubling of 8, not {image_size}")
        widths = [width, *(max(width >> (i + 1), MIN_WIDTH) for i in range(doublings))]
        self.proj_in = (
            nn.Identity() if latent_channels == width else nn.Conv2d(latent_channels, width, 3, padding=1)
        )
        self.blocks = nn.ModuleList(UpBlock(wide, narrow, width) for wide, narrow in pairwise(widths))
        self.norm = nn.BatchNorm2d(widths[-1])
        self.proj_out = nn.Conv2d(widths[-1], image_channels, 3, padding=1)

    def forward(self, latents: Tensor) -> Tensor:
        x = self.proj_in(latents)
        style = x.mean((2, 3))
        for block in self.blocks:
            x = block(x, style)
        return torch.tanh(self.proj_out(F.relu(self.norm(x))))


def _double(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2.0, mode="nearest")
