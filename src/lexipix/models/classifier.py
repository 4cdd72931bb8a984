"""A small image classifier."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lexipix.models.blocks import shrink
from lexipix.models.configurable_network import ConfigurableNetwork

SIDE = 32  # pixels; larger images are reduced to it or a little more, so that they cost no more
LOGIT_SCALE = 0.125  # small logits at the start make a high learning rate safe from the first step


def conv_norm(in_channels: int, out_channels: int) -> nn.Sequential:
    """3x3 convolution and batch norm, which export folds into it."""
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, 3, padding=1, bias=False), nn.BatchNorm2d(out_channels)
    )


class Residual(nn.Module):
    """x + relu(conv(relu(conv(x)))): the branch only adds, it never subtracts."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first, self.second = conv_norm(channels, channels), conv_norm(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        return torch.add(x, F.relu(self.second(F.relu(self.first(x)))))


class Classifier(ConfigurableNetwork):
    """An eleven-layer ResNet: D. Page's nine layers ("How to train your ResNet", 2018) and a third block.

    Three stages halve the side, double the channels and add a residual block. Global maximum pooling follows,
    so that any side that is a multiple of 8 works. The last block has eight times the channels of the first
    convolution, which has ``width``.
    """

    kind = "classifier"

    def __init__(self, width: int, n_classes: int, image_channels: int = 3) -> None:
        super().__init__()
        self.stem = conv_norm(image_channels, width)
        widths = [(width << stage, width << (stage + 1)) for stage in range(3)]
        self.widen = nn.ModuleList(conv_norm(narrow, wide) for narrow, wide in widths)
        self.blocks = nn.ModuleList(Residual(wide) for _, wide in widths)
        self.head = nn.Linear(width << 3, n_classes, bias=False)

    def forward(self, images: Tensor) -> Tensor:
        """Logits (B, n_classes) of images in [-1, 1], (B, C, S, S)."""
        x = F.relu(self.stem(shrink(images, SIDE)))
        for widen, block in zip(self.widen, self.blocks, strict=True):
            x = block(F.relu(F.max_pool2d(widen(x), 2)))
        logits: Tensor = self.head(torch.amax(x, dim=(2, 3)))
        return LOGIT_SCALE * logits
