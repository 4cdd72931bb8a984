"""A small bidirectional transformer that turns a caption into one unit vector."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def masked_mean(states: Tensor, mask: Tensor) -> Tensor:
    """Mean (B, W) of the states (B, L, W) where ``mask`` (B, L) is true.

    A product, because the sum over an axis is taken in another order where there is one caption only, and
    a picture's last bits would depend on what is drawn beside it.
    """
    weights = mask.unsqueeze(1).to(states.dtype)
    mean: Tensor = (weights @ states).squeeze(1) / weights.sum(2).clamp_min(1)
    return mean


class TextEncoder(nn.Module):
    """Token ids to a unit vector.

    Args:
        vocabulary: Number of token ids.
        max_tokens: Longest caption.
        width: Model width; a multiple of 32.
        depth: Transformer layers.
        embed_dim: Length of the vector.
    """

    def __init__(self, vocabulary: int, max_tokens: int, width: int, depth: int, embed_dim: int) -> None:
        super().__init__()
        self.width = width
        self.tokens = nn.Embedding(vocabulary, width)
        self.positions = nn.Parameter(torch.randn(max_tokens, width) * 0.02)
        layer = nn.TransformerEncoderLayer(
            width, width // 32, 4 * width, dropout=0.0, activation="gelu", batch_first=True, norm_first=True
        )
        self.layers = nn.TransformerEncoder(layer, depth, enable_nested_tensor=False)
        self.norm = nn.LayerNorm(width)
        self.project = nn.Linear(2 * width, embed_dim)

    def read(self, ids: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """States and vectors of captions.

        Args:
            ids: (B, L) token ids.
            mask: (B, L) true where there is a token.

        Returns:
            The words' states (B, L, width), and a unit vector (B, D) per caption.
        """
        states = self.tokens(ids) + self.positions[: ids.shape[1]]
        states = self.norm(self.layers(states, src_key_padding_mask=~mask))
        mean = masked_mean(states, mask)
        highest = states.masked_fill(~mask.unsqueeze(-1), -1e4).amax(1)
        return states, F.normalize(self.project(torch.cat([mean, highest], dim=1)), dim=-1)

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Unit vectors (B, D) of captions ``ids`` (B, L); ``mask`` (B, L) is true where there is a token."""
        return self.read(ids, mask)[1]
