"""Which class is in a picture: a small residual network with maximum pooling throughout."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lexipix.models.configurable_network import ConfigurableNetwork

LOGIT_SCALE = 0.125  # logits start small, so that a high learning rate is safe from the first step


def normalised(inputs: int, outputs: int) -> nn.Sequential:
    """3x3 convolution and batch norm, which folds away at inference."""
    return nn.Sequential(nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs))


class Residual(nn.Module):
    """Two normalised convolutions, whose outcome is added and never taken away."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first, self.second = normalised(channels, channels), normalised(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        return torch.add(x, F.relu(self.second(F.relu(self.first(x)))))


class Classifier(ConfigurableNetwork):
    """An eleven-layer ResNet (D. Page's nine-layer one with a third block: "How to train your ResNet", 2018).

    Three times the side is halved and the width doubled, each followed by a residual block; the largest value
    of each channel over the picture decides, so that any side that is a multiple of 8 will do.

    Args:
        width: Channels of the first convolution; the last block has eight times as many.
        n_classes: How many classes there are.
    """

    kind = "classifier"

    def __init__(self, width: int, n_classes: int) -> None:
        super().__init__()
        self.stem = normalised(3, width)
        widths = [(width << scale, width << (scale + 1)) for scale in range(3)]
        self.widen = nn.ModuleList(normalised(inputs, outputs) for inputs, outputs in widths)
        self.blocks = nn.ModuleList(Residual(outputs) for _, outputs in widths)
        self.head = nn.Linear(width << 3, n_classes, bias=False)

    def forward(self, images: Tensor) -> Tensor:
        """Logits (B, classes) of pictures in [-1, 1], (B, 3, S, S)."""
        x = F.relu(self.stem(images))
        for widen, block in zip(self.widen, self.blocks, strict=True):
            x = block(F.relu(F.max_pool2d(widen(x), 2)))  # half the side, twice the channels
        logits: Tensor = self.head(torch.amax(x, dim=(2, 3)))
        return LOGIT_SCALE * logits
