"""The evaluator: a convolutional image encoder and a bag of text features, with a common embedding space."""

import math
from collections.abc import Mapping
from typing import Any, NamedTuple, Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lexipix.models.configurable_network import ConfigurableNetwork

FINE_SIDE = 32  # pixels at most; 2x2 pixels of larger images become channels, until they are no larger


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
        n_halvings = max(0, math.ceil(math.log2(image_size / FINE_SIDE)))
        self.shrink = nn.PixelUnshuffle(2**n_halvings)  # keeps every pixel, as channels
        self.body = nn.Sequential(
            _conv(image_channels * 4**n_halvings, width),
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
        grid = self.body(self.shrink(images))
        pooled = torch.cat([grid.mean((2, 3)), grid.amax((2, 3))], dim=1)
        return EvaluatorFeatures(pooled, F.normalize(self.project(self.dropout(pooled)), dim=-1))


class BagOfFeatures(nn.Module):
    """Vectors of a caption's features (words, pairs, parts of words), summed, then one hidden layer.

    Vectors begin near zero, so that a feature with few captions says little (fastText, Joulin et al. 2016,
    arXiv 1607.01759, begins so too).
    """

    def __init__(self, vocabulary: int, n_special: int, width: int, embed_dim: int, dropout: float) -> None:
        super().__init__()
        self.n_special = n_special
        self.features = nn.Embedding(vocabulary, width)
        nn.init.normal_(self.features.weight, std=0.05)
        self.bias = nn.Parameter(torch.zeros(width))
        self.dropout = nn.Dropout(dropout)
        self.project = nn.Linear(width, embed_dim)

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Embeddings (B, embed_dim) of captions ``ids`` (B, L); ids below ``n_special`` say nothing."""
        known = (mask & (ids >= self.n_special)).to(self.features.weight.dtype)
        total = F.embedding_bag(ids, self.features.weight, mode="sum", per_sample_weights=known)
        hidden = F.relu(total / known.sum(1, keepdim=True).clamp_min(1).sqrt() + self.bias)
        return F.normalize(self.project(self.dropout(hidden)), dim=-1)


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
