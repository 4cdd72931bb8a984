"""The evaluator: a convolutional image encoder and a bag of text features, with a common embedding space."""

import math
from collections.abc import Mapping
from typing import Any, NamedTuple, Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lexipix.models.blocks import folding
from lexipix.models.configurable_network import ConfigurableNetwork
from lexipix.models.text_encoder import BagOfFeatures


class EvaluatorFeatures(NamedTuple):
    """Features of a batch of images."""

    pooled: Tensor  # before the projection to the embedding: (B, 8 width)
    embedding: Tensor  # one unit vector per image: (B, embed_dim)


def _conv(in_channels: int, out_channels: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, 3, padding=1, bias=False),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(),
    )


class EvaluatorImageEncoder(nn.Module):
    """Six convolutions from 32 pixels to 4, mean and maximum over the places, and a projection."""

    def __init__(
        self, image_size: int, width: int, embed_dim: int, dropout: float, image_channels: int = 3
    ) -> None:
        super().__init__()
        fold = folding(image_size)
        self.fold = nn.PixelUnshuffle(fold)
        self.body = nn.Sequential(
            _conv(image_channels * fold**2, width),
            nn.MaxPool2d(2),
            _conv(width, 2 * width),
            nn.MaxPool2d(2),
            _conv(2 * width, 2 * width),
            _conv(2 * width, 3 * width),
            nn.MaxPool2d(2),
            _conv(3 * width, 4 * width),
            _conv(4 * width, 4 * width),
        )
        self.dropout = nn.Dropout(dropout)
        self.project = nn.Linear(8 * width, embed_dim)

    def forward(self, images: Tensor) -> EvaluatorFeatures:
        """Features of images in [-1, 1], (B, C, S, S)."""
        grid = self.body(self.fold(images))
        pooled = torch.cat([grid.mean((2, 3)), grid.amax((2, 3))], dim=1)
        return EvaluatorFeatures(pooled, F.normalize(self.project(self.dropout(pooled)), dim=-1))


class Evaluator(ConfigurableNetwork):
    """Image encoder, bag of text features and temperature; no part of it is shared with another network."""

    kind = "evaluator"

    def __init__(self, image_encoder: EvaluatorImageEncoder, text_encoder: BagOfFeatures) -> None:
        super().__init__()
        self.image_encoder, self.text_encoder = image_encoder, text_encoder
        self.log_scale = nn.Parameter(torch.tensor(math.log(15.0)))

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """Build it with random weights from the dictionaries ``image_encoder`` and ``text_encoder``."""
        return cls(EvaluatorImageEncoder(**config["image_encoder"]), BagOfFeatures(**config["text_encoder"]))

    def similarities(self, image_embeddings: Tensor, text_embeddings: Tensor) -> Tensor:
        """Scaled cosine similarities (N, M) of unit vectors (N, D) and (M, D)."""
        scaled: Tensor = self.log_scale.exp().clamp_max(100.0) * image_embeddings @ text_embeddings.T
        return scaled
