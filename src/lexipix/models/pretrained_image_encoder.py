"""An image encoder on a frozen pretrained backbone of transformers."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import AutoBackbone, AutoConfig

from lexipix.models.image_encoder import ImageEncoder

GRID_WIDTH = 128
PROBE_SIDE = 224  # pixels; all common strides and patch sizes divide it


def backbone_from_config(config: dict[str, Any]) -> nn.Module:
    """Build a backbone with random weights from its ``config.to_dict()``."""
    module: nn.Module = AutoBackbone.from_config(AutoConfig.for_model(**config))
    return module


class PretrainedImageEncoder(ImageEncoder):
    """Image features from a frozen backbone that sees the image enlarged, and returns ``feature_maps``.

    With strides 8, 16 and 32 the last three stages of a backbone that sees the image four times as large lie
    at 1/2, 1/4 and 1/8 of the image's side, as in :class:`ConvImageEncoder`. Other strides are resampled.
    ``mean`` and ``std`` are those of red, green and blue on [0, 1] that the backbone expects.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self, backbone: nn.Module, mean: Sequence[float], std: Sequence[float], embed_dim: int
    ) -> None:
        with torch.no_grad():
            maps = backbone.eval()(torch.zeros(1, 3, PROBE_SIDE, PROBE_SIDE)).feature_maps
        half, quarter, eighth = (int(one.shape[1]) for one in maps)
        super().__init__((half, quarter, eighth), min(quarter, GRID_WIDTH), embed_dim)
        self.enlarge = PROBE_SIDE / maps[-1].shape[-1] / 8
        self.backbone = backbone.requires_grad_(False)
        self.register_buffer("mean", torch.tensor(mean).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(std).view(1, 3, 1, 1))

    def feature_maps(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        side = images.shape[-1]
        if images.shape[1] == 4:  # over white: color + 1 - alpha, as values in [-1, 1]
            images = images[:, :3] - images[:, 3:] + 1
        normalized = ((images + 1) / 2 - self.mean) / self.std
        size = (round(side * self.enlarge),) * 2
        enlarged = F.interpolate(normalized, size=size, mode="bilinear", antialias=self.enlarge < 1)
        half, quarter, eighth = (
            _resize(one, side // part)
            for one, part in zip(self.backbone(enlarged).feature_maps, (2, 4, 8), strict=True)
        )
        return half, quarter, eighth

    def set_trainable(self, trainable: bool) -> None:
        super().set_trainable(trainable)
        self.backbone.requires_grad_(False)

    def train(self, mode: bool = True) -> "PretrainedImageEncoder":
        """Set the mode of the head; the backbone's batch norm and dropout stay in evaluation mode."""
        super().train(mode)
        self.backbone.eval()
        return self


def _resize(one: Tensor, side: int) -> Tensor:
    return one if one.shape[-1] == side else F.interpolate(one, size=(side, side), mode="bilinear")
