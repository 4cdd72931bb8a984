"""Building blocks that several networks share."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

FINE_SIDE = 32  # pixels of the side at which image encoders look at images


def zero_init(module: nn.Module) -> nn.Module:
    """Set the parameters of a layer to zero and return it; a branch that ends in it starts at zero."""
    for parameter in module.parameters():
        nn.init.zeros_(parameter)
    return module


def shrink(images: Tensor, side: int) -> Tensor:
    """Average images (B, C, S, S) over squares of pixels, to ``side`` pixels or a little more."""
    factor = images.shape[-1] // side
    return F.avg_pool2d(images, factor) if factor > 1 else images


def folding(image_size: int) -> int:
    """The side of the squares of pixels that become channels, so that larger images cost what 32 pixels do.

    No pixel is lost (space to depth, ``nn.PixelUnshuffle``), and what is left is a multiple of 8 pixels.
    """
    factor = 1
    while image_size > FINE_SIDE * factor and image_size % (16 * factor) == 0:
        factor *= 2
    return factor


class ResidualConv(nn.Module):
    """x + conv(silu(conv(silu(x)))) with 3x3 kernels and no normalization; the branch starts at zero."""

    def __init__(self, channels: int, hidden: int | None = None) -> None:
        super().__init__()
        hidden = hidden or channels
        self.first = nn.Conv2d(channels, hidden, 3, padding=1)
        self.second = zero_init(nn.Conv2d(hidden, channels, 3, padding=1))
        self.activation = nn.SiLU()  # GELU takes three times as long on a CPU

    def forward(self, x: Tensor) -> Tensor:
        hidden = self.first(self.activation(x))
        return torch.add(x, self.second(self.activation(hidden)))


class ModulatedConv(nn.Module):
    """A residual pair of 3x3 convolutions whose input is scaled and shifted by a condition."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.modulation = zero_init(nn.Linear(width, 2 * width))
        self.first = nn.Conv2d(width, hidden, 3, padding=1)
        self.second = zero_init(nn.Conv2d(hidden, width, 3, padding=1))
        self.activation = nn.SiLU()

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        """``x`` (B, W, G, G) and ``condition`` (B, W) to the shape of ``x``."""
        scale, shift = self.modulation(condition)[..., None, None].chunk(2, dim=1)
        hidden = self.first(self.activation(x * (1 + scale) + shift))
        return torch.add(x, self.second(self.activation(hidden)))
