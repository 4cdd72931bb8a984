"""The text prior: hidden states of a caption, and noise, to an 8x8 latent grid in one forward pass."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lexipix.models.blocks import zero_init
from lexipix.models.random_features import RandomFeatureRegressor
from lexipix.models.text_encoder import masked_mean
from lexipix.models.vae import GRID

HEAD_WIDTH = 32
READERS = 2  # the language model reads left to right; these let early words know the late ones
COARSE = GRID // 2


class Attention(nn.Module):
    """Multi-head attention of one sequence over another (or itself)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.heads = width // HEAD_WIDTH
        self.query = nn.Linear(width, width)
        self.key_value = nn.Linear(width, 2 * width)
        self.outward = nn.Linear(width, width)

    def forward(self, x: Tensor, context: Tensor, mask: Tensor | None = None) -> Tensor:
        """``x`` (B, N, W) over ``context`` (B, M, W); ``mask`` (B, 1, 1, M) is true where context counts."""
        query = self.query(x).unflatten(-1, (self.heads, HEAD_WIDTH)).transpose(1, 2)
        key, value = (
            part.unflatten(-1, (self.heads, HEAD_WIDTH)).transpose(1, 2)
            for part in self.key_value(context).chunk(2, -1)
        )
        mixed = F.scaled_dot_product_attention(query, key, value, attn_mask=mask)
        out: Tensor = self.outward(mixed.transpose(1, 2).flatten(2))
        return out


class ReaderBlock(nn.Module):
    """Self-attention and an MLP over the words of a caption."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(2))
        self.attention = Attention(width)
        self.mlp = nn.Sequential(
            nn.Linear(width, 2 * width), nn.GELU(approximate="tanh"), nn.Linear(2 * width, width)
        )

    def forward(self, words: Tensor, mask: Tensor) -> Tensor:
        """``words`` (B, L, W) to the same shape; ``mask`` (B, 1, 1, L) is true where there is a token."""
        hidden = self.norms[0](words)
        words = torch.add(words, self.attention(hidden, hidden, mask))
        return torch.add(words, self.mlp(self.norms[1](words)))


class WordToGridAttention(nn.Module):
    """Each word chooses where on the grid it paints, and what: attention normalised over cells, not words.

    A place word decides its cells by itself; ordinary cross-attention has every cell search among the words
    and needs many times the steps before the first object appears.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.heads = width // HEAD_WIDTH
        self.place = nn.Linear(width, self.heads * GRID * GRID)
        self.paint = nn.Linear(width, width)

    def forward(self, words: Tensor, mask: Tensor) -> Tensor:
        """``words`` (B, L, W), ``mask`` (B, L) true where there is a token, to a grid (B, W, 8, 8)."""
        places = (
            self.place(words).unflatten(-1, (self.heads, GRID * GRID)).softmax(-1) * GRID
        )  # (B, L, H, 64)
        paints = self.paint(words).unflatten(-1, (self.heads, HEAD_WIDTH)) * mask[..., None, None].to(
            words.dtype
        )
        grid = paints.permute(0, 2, 3, 1) @ places.permute(0, 2, 1, 3)  # (B, H, 32, 64)
        painted: Tensor = grid.flatten(1, 2).unflatten(-1, (GRID, GRID))
        return painted


class ModulatedConv(nn.Module):
    """A residual pair of 3x3 convolutions whose input is scaled and shifted by a vector.

    Args:
        width: Channels that come in and go out.
        hidden: Channels between the two convolutions.
    """

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.modulation = zero_init(nn.Linear(width, 2 * width))
        self.first = nn.Conv2d(width, hidden, 3, padding=1)
        self.second = zero_init(nn.Conv2d(hidden, width, 3, padding=1))
        self.activation = nn.SiLU()

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        """``x`` (B, W, 8, 8), ``condition`` (B, W)."""
        scale, shift = self.modulation(condition)[..., None, None].chunk(2, dim=1)
        hidden = self.first(self.activation(x * (1 + scale) + shift))
        return torch.add(x, self.second(self.activation(hidden)))


class Plan(NamedTuple):
    """All that a caption alone decides about its pictures, whatever the noise.

    Attributes:
        grid: What the words paint, (B, W, 8, 8).
        context: Mean of the words and the caption's vector, (B, W + V).
        remembered: Latents of the memory, (B, C, 8, 8); None without one.
    """

    grid: Tensor
    context: Tensor
    remembered: Tensor | None


class TextPrior(nn.Module):
    """Caption states and noise to a latent: words paint on the 8x8 grid, modulated convolutions draw it out.

    Args:
        text_width: Width of the words' states: the language model's and the text encoder's side by side.
        embed_dim: Length of the caption's vector in the contrastive space.
        latent_channels: Of the VAE.
        width: Model width, a multiple of 32.
        depth: Modulated convolution blocks.
        noise_width: Length of the noise vector.
        memory: Features of a :class:`RandomFeatureRegressor` that the convolutions start from; 0 is without.
        hidden: Channels inside each block, where pruning has left fewer than ``width``.
        readers: Blocks that read the words' states; 0 where these were taught to be what such blocks make.
    """

    def __init__(
        self,
        text_width: int,
        embed_dim: int,
        latent_channels: int,
        width: int,
        depth: int,
        noise_width: int,
        memory: int = 0,
        hidden: Sequence[int] | None = None,
        readers: int = READERS,
    ) -> None:
        super().__init__()
        self.noise_width = noise_width
        self.vector_scale = embed_dim**0.5  # unit vectors to unit variance
        self.words = nn.Sequential(nn.LayerNorm(text_width), nn.Linear(text_width, width))
        self.readers = nn.ModuleList(ReaderBlock(width) for _ in range(readers))
        self.words_norm = nn.LayerNorm(width)
        self.condition = nn.Sequential(
            nn.Linear(width + embed_dim + noise_width, 2 * width),
            nn.SiLU(),
            nn.Linear(2 * width, width),
            nn.SiLU(),
        )
        self.cells = nn.Parameter(torch.randn(width, GRID, GRID) * 0.1)
        self.start = nn.Linear(width, COARSE * COARSE * width)
        self.painting = WordToGridAttention(width)
        self.blocks = nn.ModuleList(ModulatedConv(width, inner) for inner in hidden or [width] * depth)
        self.outward = nn.Conv2d(width, latent_channels, 1)
        self.memory = (
            RandomFeatureRegressor(text_width, embed_dim, latent_channels, memory) if memory else None
        )
        if memory:
            zero_init(self.outward)  # the convolutions add to what is remembered

    def set_trainable(self, trainable: bool) -> None:
        """Let the weights learn, or not; a memory is solved and never trained."""
        self.requires_grad_(trainable)
        if self.memory is not None:
            self.memory.requires_grad_(False)

    def understand(self, states: Tensor, mask: Tensor) -> Tensor:
        """What each word means in its caption, (B, L, width); the arguments as for :meth:`plan`."""
        words, attended = self.words(states), mask[:, None, None, :]
        for reader in self.readers:
            words = reader(words, attended)
        understood: Tensor = self.words_norm(words)
        return understood

    def plan(self, states: Tensor, mask: Tensor, vector: Tensor) -> Plan:
        """What captions say about their pictures; to be reused as often as pictures are drawn from them.

        Args:
            states: (B, L, text_width).
            mask: bool (B, L), true where there is a token.
            vector: (B, embed_dim), of unit length, from the contrastive text encoder.
        """
        words = self.understand(states, mask)
        context = torch.cat([masked_mean(words, mask), self.vector_scale * vector], dim=1)
        remembered = None if self.memory is None else self.memory(states, mask, vector)
        return Plan(self.painting(words, mask), context, remembered)

    def draw(self, plan: Plan, noise: Tensor) -> Tensor:
        """Latents (B, C, 8, 8) from plans and standard normal noise (B, noise_width)."""
        condition = self.condition(torch.cat([plan.context, noise], dim=1))
        coarse = self.start(condition).unflatten(1, (-1, COARSE, COARSE))
        x = self.cells + F.interpolate(coarse, scale_factor=2.0, mode="nearest") + plan.grid
        for block in self.blocks:
            x = block(x, condition)
        latents: Tensor = self.outward(x)
        return latents if plan.remembered is None else latents + plan.remembered

    def forward(self, states: Tensor, mask: Tensor, vector: Tensor, noise: Tensor) -> Tensor:
        """Latents (B, C, 8, 8) for captions; the arguments as for :meth:`plan` and :meth:`draw`."""
        return self.draw(self.plan(states, mask, vector), noise)
