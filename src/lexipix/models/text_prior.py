"""The text prior: encoded captions and noise to an 8x8 latent grid in one forward pass."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lexipix.models.blocks import ModulatedConv
from lexipix.models.text_encoder import HEAD_DIM, masked_mean
from lexipix.models.vae import GRID

TEXT_LAYERS = 2  # the language model is causal; these layers let early tokens attend to later ones
COARSE = GRID // 2


class Attention(nn.Module):
    """Multi-head attention of a sequence to itself."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.heads = width // HEAD_DIM
        self.query = nn.Linear(width, width)
        self.key_value = nn.Linear(width, 2 * width)
        self.proj_out = nn.Linear(width, width)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """``x`` (B, N, W) attends to itself where ``mask`` (B, 1, 1, N) is true."""
        query = self.query(x).unflatten(-1, (self.heads, HEAD_DIM)).transpose(1, 2)
        key, value = (
            part.unflatten(-1, (self.heads, HEAD_DIM)).transpose(1, 2)
            for part in self.key_value(x).chunk(2, -1)
        )
        mixed = F.scaled_dot_product_attention(query, key, value, attn_mask=mask)  # (B, H, N, 32)
        out: Tensor = self.proj_out(mixed.transpose(1, 2).flatten(2))
        return out


class TransformerBlock(nn.Module):
    """Pre-norm self-attention and MLP over the tokens of a caption."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(2))
        self.attention = Attention(width)
        self.mlp = nn.Sequential(
            nn.Linear(width, 2 * width), nn.GELU(approximate="tanh"), nn.Linear(2 * width, width)
        )

    def forward(self, tokens: Tensor, mask: Tensor) -> Tensor:
        """``tokens`` (B, L, W) to the same shape; ``mask`` (B, 1, 1, L) is true where there is a token."""
        tokens = torch.add(tokens, self.attention(self.norms[0](tokens), mask))
        return torch.add(tokens, self.mlp(self.norms[1](tokens)))


class WordToGridAttention(nn.Module):
    """Each token distributes a value over the grid: attention normalized over cells, not over tokens.

    A word for a place can choose its cells by itself. With ordinary cross-attention every cell searches the
    tokens, and many times the training steps pass before the first object appears.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.heads = width // HEAD_DIM
        self.cell_logits = nn.Linear(width, self.heads * GRID * GRID)
        self.value = nn.Linear(width, width)

    def forward(self, tokens: Tensor, mask: Tensor) -> Tensor:
        """``tokens`` (B, L, W), ``mask`` bool (B, L), true where there is a token, to a grid (B, W, 8, 8)."""
        logits = self.cell_logits(tokens).unflatten(-1, (self.heads, GRID * GRID))
        weights = logits.softmax(-1) * GRID  # (B, L, H, 64)
        value = self.value(tokens).unflatten(-1, (self.heads, HEAD_DIM))
        value = value * mask[..., None, None].to(tokens.dtype)  # (B, L, H, 32)
        grid = value.permute(0, 2, 3, 1) @ weights.permute(0, 2, 1, 3)  # (B, H, 32, 64)
        out: Tensor = grid.flatten(1, 2).unflatten(-1, (GRID, GRID))
        return out


class TextConditioning(NamedTuple):
    """Everything that the prior computes from a caption without noise."""

    grid: Tensor  # the tokens' values on the grid, (B, W, 8, 8)
    context: Tensor  # mean of the tokens, and the caption's embedding, (B, W + embed_dim)


class TextPrior(nn.Module):
    """Encoded captions and noise to a latent: word-to-grid attention, then modulated convolutions."""

    def __init__(
        self,
        text_width: int,  # of the tokens' hidden states: language model plus text encoder
        embed_dim: int,  # length of the caption's embedding in the contrastive space
        latent_channels: int,
        width: int,  # a multiple of 32
        depth: int,  # modulated convolution blocks
        noise_dim: int,
        hidden: Sequence[int]
        | None = None,  # channels in each block if pruning has removed some of ``width``
        text_layers: int = TEXT_LAYERS,  # 0 for students that learned their output
    ) -> None:
        super().__init__()
        self.noise_dim = noise_dim
        self.embedding_scale = embed_dim**0.5  # unit vectors to unit variance
        self.proj_in = nn.Sequential(nn.LayerNorm(text_width), nn.Linear(text_width, width))
        self.text_layers = nn.ModuleList(TransformerBlock(width) for _ in range(text_layers))
        self.text_norm = nn.LayerNorm(width)
        self.condition_mlp = nn.Sequential(
            nn.Linear(width + embed_dim + noise_dim, 2 * width),
            nn.SiLU(),
            nn.Linear(2 * width, width),
            nn.SiLU(),
        )
        self.grid_bias = nn.Parameter(torch.randn(width, GRID, GRID) * 0.1)
        self.coarse_grid = nn.Linear(width, COARSE * COARSE * width)
        self.word_to_grid = WordToGridAttention(width)
        self.blocks = nn.ModuleList(ModulatedConv(width, inner) for inner in hidden or [width] * depth)
        self.proj_out = nn.Conv2d(width, latent_channels, 1)

    def encode_tokens(self, hidden_states: Tensor, mask: Tensor) -> Tensor:
        """Tokens in the context of their caption, (B, L, width); arguments as for :meth:`condition`."""
        tokens, attended = self.proj_in(hidden_states), mask[:, None, None, :]
        for layer in self.text_layers:
            tokens = layer(tokens, attended)
        normed: Tensor = self.text_norm(tokens)
        return normed

    def condition(self, hidden_states: Tensor, mask: Tensor, embedding: Tensor) -> TextConditioning:
        """Compute everything that does not depend on the noise; the arguments are a ``TextEncoding``'s."""
        tokens = self.encode_tokens(hidden_states, mask)
        context = torch.cat([masked_mean(tokens, mask), self.embedding_scale * embedding], dim=1)
        return TextConditioning(self.word_to_grid(tokens, mask), context)

    def sample_latents(self, conditioning: TextConditioning, noise: Tensor) -> Tensor:
        """Latents (B, C, 8, 8) from conditioning and standard normal noise (B, noise_dim)."""
        condition = self.condition_mlp(torch.cat([conditioning.context, noise], dim=1))  # (B, W)
        coarse = self.coarse_grid(condition).unflatten(1, (-1, COARSE, COARSE))  # (B, W, 4, 4)
        x = self.grid_bias + F.interpolate(coarse, scale_factor=2.0, mode="nearest") + conditioning.grid
        for block in self.blocks:
            x = block(x, condition)
        latents: Tensor = self.proj_out(x)
        return latents
