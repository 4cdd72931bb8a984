"""The picture's features f(I): a small residual CNN giving maps at three scales, a grid and one vector."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F


@dataclass(frozen=True)
class ImageFeatures:
    """What an encoder sees in a picture.

    Attributes:
        maps: Feature maps at 1/2, 1/4 and 1/8 of the side.
        grid: The 1/4 map with what the 1/8 map adds, as a sequence: (B, cells, channels).
        pooled: What the vector is projected from: (B, pooled_width).
        vector: One unit vector per picture: (B, D).
    """

    maps: tuple[Tensor, Tensor, Tensor]
    grid: Tensor
    pooled: Tensor
    vector: Tensor


class Residual(nn.Module):
    """Two batch-normalised 3x3 convolutions around a shortcut; normalisation folds away at inference."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(channels),
            nn.ReLU(),
            nn.Conv2d(channels, channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(torch.add(x, self.body(x)))


def down(inputs: int, outputs: int, kernel: int = 3) -> nn.Sequential:
    """Halve the side: convolution with stride 2, batch norm, ReLU."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride=2, padding=(kernel - 1) // 2, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(),
    )


class ImageEncoder(nn.Module):
    """From maps at three scales to grid and vector; subclasses say where the maps come from.

    Args:
        channels: Of the maps at 1/2, 1/4 and 1/8 of the side.
        grid_width: Channels of the grid.
        embed_dim: Length of the one vector.
    """

    def __init__(self, channels: tuple[int, int, int], grid_width: int, embed_dim: int) -> None:
        super().__init__()
        _, second, third = channels
        self.map_channels = channels
        self.skip = nn.Identity() if grid_width == second else nn.Conv2d(second, grid_width, 1)
        self.lateral = nn.Conv2d(third, grid_width, 1)
        self.merge = Residual(grid_width)
        self.cell_weight = nn.Conv2d(grid_width, 1, 1)
        self.grid_width = grid_width
        self.pooled_width = 2 * grid_width + third
        self.project = nn.Linear(self.pooled_width, embed_dim)

    def maps(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Feature maps of pictures in [-1, 1], (B, 3, S, S): the part a discriminator looks through."""
        raise NotImplementedError

    def set_trainable(self, trainable: bool) -> None:
        """Let the weights learn, or not; what was frozen when the encoder was made stays so."""
        self.requires_grad_(trainable)

    def forward(self, images: Tensor) -> ImageFeatures:
        """Features of pictures in [-1, 1], (B, 3, S, S)."""
        return self.summarise(self.maps(images))

    def summarise(self, maps: tuple[Tensor, Tensor, Tensor]) -> ImageFeatures:
        """Grid and vector from what :meth:`maps` gave."""
        half, quarter, eighth = maps
        # The vector is pooled from the grid, so that contrastive training shapes what the captioner will read
        above = F.interpolate(self.lateral(eighth), size=quarter.shape[-2:], mode="nearest")
        grid: Tensor = self.merge(self.skip(quarter) + above)
        attention = self.cell_weight(grid).flatten(2).softmax(-1)  # (B, 1, cells)
        attended = (grid.flatten(2) * attention).sum(-1)
        pooled = torch.cat([attended, grid.amax((2, 3)), eighth.mean((2, 3))], dim=1)
        vector = F.normalize(self.project(pooled), dim=-1)
        return ImageFeatures((half, quarter, eighth), grid.flatten(2).transpose(1, 2), pooled, vector)


class ConvImageEncoder(ImageEncoder):
    """A small CNN of our own, for pictures of any side that is a multiple of 8.

    Args:
        channels: At 1/2, 1/4 and 1/8 of the side.
        blocks: Residual blocks at each of the three scales.
        embed_dim: Length of the one vector.
    """

    def __init__(self, channels: tuple[int, int, int], blocks: tuple[int, int, int], embed_dim: int) -> None:
        first, second, third = channels
        super().__init__(channels, second, embed_dim)
        self.stage2 = nn.Sequential(down(3, first, kernel=4), *(Residual(first) for _ in range(blocks[0])))
        self.stage4 = nn.Sequential(down(first, second), *(Residual(second) for _ in range(blocks[1])))
        self.stage8 = nn.Sequential(down(second, third), *(Residual(third) for _ in range(blocks[2])))

    def maps(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        half = self.stage2(images)
        quarter = self.stage4(half)
        return half, quarter, self.stage8(quarter)
