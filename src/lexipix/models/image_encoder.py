"""The image encoder: feature maps at three scales, a feature grid and one embedding."""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class ImageFeatures(NamedTuple):
    """Features of a batch of images."""

    maps: tuple[Tensor, Tensor, Tensor]  # at 1/2, 1/4 and 1/8 of the side
    grid: Tensor  # the 1/4 map merged with the 1/8 map, as a sequence: (B, cells, grid_width)
    pooled: Tensor  # before the projection to the embedding: (B, pooled_width)
    embedding: Tensor  # one unit vector per image: (B, embed_dim)


class Residual(nn.Module):
    """Two 3x3 convolutions with batch norm, which export folds into them, and a shortcut."""

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


def downsample(in_channels: int, out_channels: int, kernel: int = 3) -> nn.Sequential:
    """Halve the side: convolution with stride 2, batch norm, ReLU."""
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, kernel, stride=2, padding=(kernel - 1) // 2, bias=False),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(),
    )


class ImageEncoder(nn.Module):
    """Maps at 1/2, 1/4 and 1/8 of the side, which subclasses compute, to a grid and an embedding."""

    def __init__(self, channels: tuple[int, int, int], grid_width: int, embed_dim: int) -> None:
        super().__init__()
        _, quarter, eighth = channels
        self.map_channels = channels
        self.skip = nn.Identity() if grid_width == quarter else nn.Conv2d(quarter, grid_width, 1)
        self.lateral = nn.Conv2d(eighth, grid_width, 1)
        self.merge = Residual(grid_width)
        self.cell_weight = nn.Conv2d(grid_width, 1, 1)
        self.grid_width = grid_width
        self.pooled_width = 2 * grid_width + eighth
        self.project = nn.Linear(self.pooled_width, embed_dim)

    def feature_maps(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Maps at 1/2, 1/4 and 1/8 of the side of images in [-1, 1], (B, C, S, S)."""
        raise NotImplementedError

    def set_trainable(self, trainable: bool) -> None:
        """Make the weights trainable or not; a pretrained backbone stays frozen."""
        self.requires_grad_(trainable)

    def forward(self, images: Tensor) -> ImageFeatures:
        """Features of images in [-1, 1], (B, C, S, S)."""
        return self.features_from_maps(self.feature_maps(images))

    def features_from_maps(self, maps: tuple[Tensor, Tensor, Tensor]) -> ImageFeatures:
        """Grid and embedding from the result of :meth:`feature_maps`."""
        _, quarter, eighth = maps
        # The embedding is pooled from the grid, so that contrastive training shapes the captioner's input
        above = F.interpolate(self.lateral(eighth), size=quarter.shape[-2:], mode="nearest")
        grid: Tensor = self.merge(self.skip(quarter) + above)  # (B, grid_width, S/4, S/4)
        attention = self.cell_weight(grid).flatten(2).softmax(-1)  # (B, 1, cells)
        attended = (grid.flatten(2) * attention).sum(-1)  # (B, grid_width)
        pooled = torch.cat([attended, grid.amax((2, 3)), eighth.mean((2, 3))], dim=1)
        embedding = F.normalize(self.project(pooled), dim=-1)
        return ImageFeatures(maps, grid.flatten(2).transpose(1, 2), pooled, embedding)


class ConvImageEncoder(ImageEncoder):
    """A small CNN, with residual blocks at each of the three scales; sides are multiples of 8.

    With ``fold`` above 1 squares of so many pixels become channels first, and scales are those of what is
    left.
    """

    def __init__(
        self,
        channels: tuple[int, int, int],
        blocks: tuple[int, int, int],
        embed_dim: int,
        image_channels: int = 3,
        fold: int = 1,
    ) -> None:
        half, quarter, eighth = channels
        super().__init__(channels, quarter, embed_dim)
        self.stage2 = nn.Sequential(
            nn.PixelUnshuffle(fold),
            downsample(image_channels * fold**2, half, 4),
            *(Residual(half) for _ in range(blocks[0])),
        )
        self.stage4 = nn.Sequential(downsample(half, quarter), *(Residual(quarter) for _ in range(blocks[1])))
        self.stage8 = nn.Sequential(
            downsample(quarter, eighth), *(Residual(eighth) for _ in range(blocks[2]))
        )

    def feature_maps(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        half = self.stage2(images)
        quarter = self.stage4(half)
        return half, quarter, self.stage8(quarter)
