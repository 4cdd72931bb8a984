"""The picture's features f(I) from a pretrained backbone of transformers, frozen, with a head of our own."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import AutoBackbone, AutoConfig

from lexipix.models.image_encoder import ImageEncoder

GRID_WIDTH = 128
PROBE_SIDE = 224  # pixels; every usual stride and patch size divides it


def backbone_from_config(config: dict[str, Any]) -> nn.Module:
    """A backbone with random weights from the dictionary that its ``config.to_dict()`` gave."""
    module: nn.Module = AutoBackbone.from_config(AutoConfig.for_model(**config))
    return module


class PretrainedImageEncoder(ImageEncoder):
    """Reads pictures enlarged so that the backbone's last map has 1/8 of their side.

    The last three stages of a backbone with strides 8, 16 and 32, which sees the picture four times as large,
    then lie at 1/2, 1/4 and 1/8 of the side, like an own encoder's; other strides are resampled to that.

    Args:
        backbone: Gives ``feature_maps`` of three stages; it stays as it is.
        mean: Red, green and blue on [0, 1] that the backbone expects to be subtracted,
        std: and to be divided by.
        embed_dim: Length of the one vector.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self, backbone: nn.Module, mean: Sequence[float], std: Sequence[float], embed_dim: int
    ) -> None:
        with torch.no_grad():
            maps = backbone.eval()(torch.zeros(1, 3, PROBE_SIDE, PROBE_SIDE)).feature_maps
        first, second, third = (int(one.shape[1]) for one in maps)
        super().__init__((first, second, third), min(second, GRID_WIDTH), embed_dim)
        self.enlarge = PROBE_SIDE / maps[-1].shape[-1] / 8
        self.backbone = backbone.requires_grad_(False)
        self.register_buffer("mean", torch.tensor(mean).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(std).view(1, 3, 1, 1))

    def maps(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        side = images.shape[-1]
        normal = ((images + 1) / 2 - self.mean) / self.std
        large = F.interpolate(
            normal, size=(round(side * self.enlarge),) * 2, mode="bilinear", antialias=self.enlarge < 1
        )
        half, quarter, eighth = (
            self._at(one, side // part)
            for one, part in zip(self.backbone(large).feature_maps, (2, 4, 8), strict=True)
        )
        return half, quarter, eighth

    @staticmethod
    def _at(one: Tensor, side: int) -> Tensor:
        return one if one.shape[-1] == side else F.interpolate(one, size=(side, side), mode="bilinear")

    def set_trainable(self, trainable: bool) -> None:
        super().set_trainable(trainable)
        self.backbone.requires_grad_(False)

    def train(self, mode: bool = True) -> "PretrainedImageEncoder":
        """As always, but the backbone's own statistics (batch norm) and noise (dropout) stay off."""
        super().train(mode)
        self.backbone.eval()
        return self
