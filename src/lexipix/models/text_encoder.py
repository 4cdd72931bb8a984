"""Text encoders: a small bidirectional transformer, and a bag of text features."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

HEAD_DIM = 32


def masked_mean(hidden_states: Tensor, mask: Tensor) -> Tensor:
    """Mean (B, W) of the hidden states (B, L, W) where ``mask`` (B, L) is true.

    It is a matrix product because the order of a sum over an axis depends on the batch size, and the last
    bits of an image must not depend on the rest of its batch.
    """
    weights = mask.unsqueeze(1).to(hidden_states.dtype)
    mean: Tensor = (weights @ hidden_states).squeeze(1) / weights.sum(2).clamp_min(1)
    return mean


def mean_and_max(hidden_states: Tensor, mask: Tensor) -> Tensor:
    """Mean and maximum (B, 2 W) of the hidden states (B, L, W) where ``mask`` (B, L) is true."""
    maximum = hidden_states.masked_fill(~mask.unsqueeze(-1), -1e4).amax(1)
    return torch.cat([masked_mean(hidden_states, mask), maximum], dim=1)


class TextEncoder(nn.Module):
    """Token ids to an embedding of unit length; ``width`` is a multiple of 32."""

    def __init__(self, vocabulary: int, max_tokens: int, width: int, depth: int, embed_dim: int) -> None:
        super().__init__()
        self.width = width
        self.tokens = nn.Embedding(vocabulary, width)
        self.positions = nn.Parameter(torch.randn(max_tokens, width) * 0.02)
        layer = nn.TransformerEncoderLayer(
            width,
            width // HEAD_DIM,
            4 * width,
            dropout=0.0,
            activation="gelu",
            batch_first=True,
            norm_first=True,
        )
        self.layers = nn.TransformerEncoder(layer, depth, enable_nested_tensor=False)
        self.norm = nn.LayerNorm(width)
        self.project = nn.Linear(2 * width, embed_dim)

    def encode(self, ids: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Hidden states (B, L, width) of tokens ``ids`` (B, L), and a unit vector per caption (B, embed_dim).

        ``mask``, bool (B, L), is true where there is a token.
        """
        hidden_states = self.tokens(ids) + self.positions[: ids.shape[1]]
        hidden_states = self.norm(self.layers(hidden_states, src_key_padding_mask=~mask))
        return hidden_states, F.normalize(self.project(mean_and_max(hidden_states, mask)), dim=-1)

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Embeddings (B, embed_dim) of captions; the arguments are those of :meth:`encode`."""
        return self.encode(ids, mask)[1]


class BagOfFeatures(nn.Module):
    """Vectors of a caption's features (words, pairs, parts of words), summed, then one hidden layer.

    Vectors begin near zero, so that a feature with few captions says little (fastText, Joulin et al. 2016,
    arXiv 1607.01759, begins so too).
    """

    def __init__(self, vocabulary: int, n_silent: int, width: int, embed_dim: int, dropout: float) -> None:
        super().__init__()
        self.n_silent = n_silent
        self.features = nn.Embedding(max(1, vocabulary - n_silent), width)
        nn.init.normal_(self.features.weight, std=0.05)
        self.bias = nn.Parameter(torch.zeros(width))
        self.dropout = nn.Dropout(dropout)
        self.project = nn.Linear(width, embed_dim)

    @torch.no_grad()
    def round_vectors(self) -> None:
        """Round the vectors to 16 bits, as which they are exported."""
        self.features.weight.copy_(self.features.weight.half())

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Embeddings (B, embed_dim) of captions ``ids`` (B, L); ids below ``n_silent`` say nothing.

        ``mask``, bool (B, L), is true where there is a feature.
        """
        known, rows = self.known(ids, mask)
        total = F.embedding_bag(rows, self.features.weight, mode="sum", per_sample_weights=known)
        return self.embed(total, known)

    def known(self, ids: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Which ids say something, as 1.0 and 0.0, and the rows of their vectors, both (B, L)."""
        known = (mask & (ids >= self.n_silent)).to(self.bias.dtype)
        return known, (ids - self.n_silent).clamp_min(0)

    def embed(self, total: Tensor, known: Tensor) -> Tensor:
        """Embeddings (B, embed_dim) from sums of vectors (B, width) and the result of :meth:`known`."""
        hidden = F.relu(total / known.sum(1, keepdim=True).clamp_min(1).sqrt() + self.bias)
        return F.normalize(self.project(self.dropout(hidden)), dim=-1)


def text_encoder_from_config(config: Mapping[str, Any]) -> TextEncoder | BagOfFeatures:
    """Build a text encoder with random weights: a bag if ``config`` says which features are silent."""
    return BagOfFeatures(**config) if "n_silent" in config else TextEncoder(**config)
