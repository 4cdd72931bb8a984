"""A small bidirectional transformer that embeds a caption."""

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
