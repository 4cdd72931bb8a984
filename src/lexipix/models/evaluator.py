"""The evaluator: a convolutional image encoder and a bag of words, with a common embedding space."""

import math
from collections.abc import Mapping
from itertools import pairwise
from typing import Any, NamedTuple, Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lexipix.models.configurable_network import ConfigurableNetwork

FINE_SIDE = 32  # larger images are halved first, until they are no larger than this
PRIMES = (7919, 104729)  # of the hash of a pair of words


class EvaluatorFeatures(NamedTuple):
    """Features of a batch of images."""

    pooled: Tensor  # before the projection to the embedding: (B, 8 width)
    embedding: Tensor  # one unit vector per image: (B, embed_dim)


def _conv(in_channels: int, out_channels: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, 3, stride=stride, padding=1, bias=False),
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
        channels = [image_channels, *[width // 2] * n_halvings]
        self.shrink = nn.Sequential(*(_conv(before, after, 2) for before, after in pairwise(channels)))
        self.body = nn.Sequential(
            _conv(channels[-1], width),
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


class BagOfWords(nn.Module):
    """Vectors of a caption's words and of pairs of neighbours, summed, then one hidden layer.

    Pairs are hashed (fastText, Joulin et al. 2016, arXiv 1607.01759): *red star* is not *red* and *star*.
    """

    def __init__(
        self, vocabulary: int, n_special: int, n_pairs: int, width: int, embed_dim: int, dropout: float
    ) -> None:
        super().__init__()
        self.n_special, self.n_pairs = n_special, n_pairs
        self.words, self.pairs = nn.Embedding(vocabulary, width), nn.Embedding(n_pairs, width)
        nn.init.normal_(self.words.weight, std=0.5)
        nn.init.normal_(self.pairs.weight, std=0.3)
        self.bias = nn.Parameter(torch.zeros(width))
        self.dropout = nn.Dropout(dropout)
        self.project = nn.Linear(width, embed_dim)

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Embeddings (B, embed_dim) of captions ``ids`` (B, L); ids below ``n_special`` say nothing."""
        known = mask & (ids >= self.n_special)
        first, second = PRIMES
        hashed = (ids[:, :-1] * first + ids[:, 1:] * second) % self.n_pairs
        both = known[:, :-1] & known[:, 1:]
        total = _masked_sum(self.words(ids), known) + _masked_sum(self.pairs(hashed), both)
        n_vectors = (known.sum(1) + both.sum(1)).clamp_min(1)
        hidden = F.relu(total / n_vectors[:, None].sqrt() + self.bias)
        return F.normalize(self.project(self.dropout(hidden)), dim=-1)


def _masked_sum(vectors: Tensor, mask: Tensor) -> Tensor:
    """Sum (B, W) of the vectors (B, L, W) where ``mask`` (B, L) is true; as a product, as in masked_mean."""
    summed: Tensor = (mask.unsqueeze(1).to(vectors.dtype) @ vectors).squeeze(1)
    return summed


class Evaluator(ConfigurableNetwork):
    """Image encoder, bag of words and temperature; no part of it is shared with another network."""

    kind = "evaluator"

    def __init__(self, image_encoder: EvaluatorImageEncoder, text_encoder: BagOfWords) -> None:
        super().__init__()
        self.image_encoder, self.text_encoder = image_encoder, text_encoder
        self.log_scale = nn.Parameter(torch.tensor(math.log(15.0)))

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """Build it with random weights from the dictionaries ``image_encoder`` and ``text_encoder``."""
        return cls(EvaluatorImageEncoder(**config["image_encoder"]), BagOfWords(**config["text_encoder"]))

    def similarities(self, image_embeddings: Tensor, text_embeddings: Tensor) -> Tensor:
        """Scaled cosine similarities (N, M) of unit vectors (N, D) and (M, D)."""
        scaled: Tensor = self.log_scale.exp().clamp_max(100.0) * image_embeddings @ text_embeddings.T
        return scaled
