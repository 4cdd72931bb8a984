"""The token generator: a GPT-2 that reads a caption and generates the image tokens of an 8x8 grid.

The sequence is the caption's tokens, with causal attention, then 64 cells, which attend to the caption and
to each other. The input of a cell is the sum of its image tokens' embeddings; a token that is not generated
yet has a mask embedding. All cells are generated in parallel in a few decoding steps, from coarse to fine.
Noise at the input decides what the caption leaves open: tokens that are sampled independently do not fit.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import accumulate, combinations, pairwise
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lexipix.models.blocks import ResidualConv
from lexipix.models.image_tokenizer import code_values, nearest_tokens
from lexipix.models.vae import GRID

if TYPE_CHECKING:
    from transformers import GPT2LMHeadModel

CELLS = GRID**2
MAX_COSINES, PRODUCT_COSINES = 12, 2  # cosines for each number of a code, and those of them multiplied
# GPT-2's own initial values, 0.02 and 1, need many more steps
FEATURE_STD, LOGIT_SCALE = 0.15, 0.2
# Noise that all cells share and noise of each cell, and the initial standard deviation of their weights
SHARED_NOISE, CELL_NOISE = 64, 8
NOISE_STD = 0.05, 0.1


def cosine_features(levels: Sequence[int]) -> Tensor:
    """Fixed features (tokens, F) of a codebook's tokens that describe where their codes lie.

    They are a cosine transform over the levels of each number, and for each pair of numbers the products of
    their lowest frequencies. A linear function of them can favor any neighborhood of tokens. With powers in
    place of the cosines it needs large weights for that and learns half as fast.
    """
    index = torch.cartesian_prod(*(torch.arange(base) for base in levels)).reshape(-1, len(levels))
    cosines = []
    for number, base in enumerate(levels):
        frequencies = torch.arange(1, min(base - 1, MAX_COSINES) + 1)
        cosines.append(torch.cos(math.pi * frequencies * (index[:, number, None] + 0.5) / base))
    products = [
        (one[:, :PRODUCT_COSINES, None] * other[:, None, :PRODUCT_COSINES]).flatten(1)
        for one, other in combinations(cosines, 2)
    ]
    return torch.cat([*cosines, *products], 1)


class HintedTextEncoding(NamedTuple):
    """A batch of encoded captions."""

    ids: Tensor  # caption tokens (B, L), ending in EOS, then padding
    hidden_states: Tensor  # of the contrastive text encoder, (B, L, text_width)
    embedding: Tensor  # unit vector of each caption in the contrastive space, (B, embed_dim)
    prior_hint: Tensor | None = None  # the text prior's latents of each cell, (B, 64, C)


class TokenGenerator(nn.Module):
    """Encoded captions and noise to image tokens.

    The vocabulary of the language model holds the caption tokens, then the tokens of each codebook, then a
    mask token for each codebook. Its positions are those of a caption, then 64 for the cells.
    """

    def __init__(
        self,
        language_model: GPT2LMHeadModel,
        levels: Sequence[Sequence[int]],  # of the numbers of each token of a cell
        decoding_steps: Sequence[int],  # how many tokens of every cell each step generates
        local_conv_depth: int,  # convolutions over the grid before the language model, and after it
        text_width: int,  # of the text encoder's hidden states
        embed_dim: int,
        pad_id: int,
        prior_hint_channels: int = 0,
        noise_at_start: bool = True,  # else the weights of the noise start at zero
    ) -> None:
        super().__init__()
        config = language_model.config
        # For sequences this short the backward pass of the fused kernel takes half of a training step
        language_model.set_attn_implementation("eager")
        self.language_model, self.pad_id = language_model, pad_id
        self.levels, self.code_values = levels, [code_values(group) for group in levels]
        self.codebook_sizes = [math.prod(group) for group in levels]
        bounds = [0, *accumulate(decoding_steps)]
        assert bounds[-1] == len(self.codebook_sizes)
        self.decoding_steps = [range(*pair) for pair in pairwise(bounds)]
        self.step_ends = [step.stop for step in self.decoding_steps for _ in step]  # for each token of a cell
        n_tokens = sum(self.codebook_sizes) + len(self.codebook_sizes)
        first = config.vocab_size - n_tokens
        self.token_offsets = [first + n for n in accumulate([0, *self.codebook_sizes])]  # last: mask tokens
        self.text_positions = config.n_positions - CELLS
        width = config.n_embd
        features = [cosine_features(group) for group in levels]
        self.level_features = nn.ParameterList(nn.Parameter(part, requires_grad=False) for part in features)
        # Tokens with neighboring codes share what they learn
        self.feature_proj = nn.ModuleList(nn.Linear(part.shape[1], width, bias=False) for part in features)
        for weight in self.feature_proj.parameters():
            nn.init.normal_(weight, std=FEATURE_STD)
        self.embedding_scale = embed_dim**0.5  # unit vectors to unit variance
        self.text_proj = nn.Linear(text_width, width, bias=False)
        self.embedding_proj = nn.Linear(embed_dim, width, bias=False)
        self.prior_hint_proj = (
            nn.Linear(prior_hint_channels, width, bias=False) if prior_hint_channels else None
        )
        self.noise_proj, self.cell_noise_proj = (
            nn.Linear(n, width, bias=False) for n in (SHARED_NOISE, CELL_NOISE)
        )
        for layer, std in zip((self.noise_proj, self.cell_noise_proj), NOISE_STD, strict=True):
            nn.init.normal_(layer.weight, std=std * noise_at_start)
        self.conv_in, self.conv_out = (
            nn.Sequential(*(ResidualConv(width) for _ in range(local_conv_depth))) for _ in range(2)
        )
        self.logit_scales = nn.Parameter(torch.full((len(levels), width), LOGIT_SCALE))

    @property
    def tokens_per_cell(self) -> int:
        """The number of codebooks."""
        return len(self.codebook_sizes)

    @property
    def noise_dim(self) -> int:
        return SHARED_NOISE + CELLS * CELL_NOISE

    def masked_tokens(self, n_images: int) -> Tensor:
        """Masked tokens, each equal to its codebook's size: int64 (n_images, tokens per cell, 64)."""
        sizes = torch.tensor(self.codebook_sizes, device=self.logit_scales.device)
        return sizes[None, :, None].repeat(n_images, 1, CELLS)

    def token_embeddings(self, codebook: int) -> Tensor:
        """Embeddings of the tokens of a codebook, (tokens, W)."""
        start, size = self.token_offsets[codebook], self.codebook_sizes[codebook]
        own = self.language_model.transformer.wte.weight[start : start + size]
        embeddings: Tensor = own + self.feature_proj[codebook](self.level_features[codebook])
        return embeddings

    def mask_embedding(self, codebook: int) -> Tensor:
        """Embedding of a masked token of a codebook, (W,)."""
        embedding: Tensor = self.language_model.transformer.wte.weight[self.token_offsets[-1] + codebook]
        return embedding

    def embed_cells(self, encoding: HintedTextEncoding, noise: Tensor, tokens: Tensor) -> Tensor:
        """Inputs of the cells, (B, 64, W); the arguments are those of :meth:`sample_tokens`."""
        shared, each = noise.split([SHARED_NOISE, CELLS * CELL_NOISE], 1)
        cells: Tensor = self.cell_noise_proj(each.unflatten(1, (CELLS, CELL_NOISE)))
        embedding = self.embedding_proj(self.embedding_scale * encoding.embedding)
        cells = cells + (self.noise_proj(shared) + embedding)[:, None]
        if self.prior_hint_proj is not None:
            cells = cells + self.prior_hint_proj(encoding.prior_hint)
        for codebook in range(self.tokens_per_cell):
            table = torch.cat([self.token_embeddings(codebook), self.mask_embedding(codebook)[None]])
            cells = cells + F.embedding(tokens[:, codebook], table)
        return cells

    def encode_cells(self, encoding: HintedTextEncoding, cells: Tensor) -> Tensor:
        """Hidden states of the cells, (B, 64, W), from the captions and the cells' inputs (B, 64, W)."""
        transformer = self.language_model.transformer
        cells = self._convolve(self.conv_in, cells)
        length = encoding.ids.shape[1]
        index = torch.arange(length + CELLS, device=encoding.ids.device)
        positions = torch.where(index < length, index, index - length + self.text_positions)
        text = transformer.wte(encoding.ids) + self.text_proj(encoding.hidden_states)
        inputs = torch.cat([text, cells], 1)  # (B, L + 64, W)
        attended = self._attention_mask(encoding.ids != self.pad_id)
        bias = torch.zeros_like(attended, dtype=inputs.dtype)
        bias = bias.masked_fill(~attended, torch.finfo(inputs.dtype).min)
        hidden_states = transformer(
            inputs_embeds=inputs, attention_mask=bias, position_ids=positions[None], use_cache=False
        )[0]
        return self._convolve(self.conv_out, hidden_states[:, length:])

    def logits(self, hidden_states: Tensor, codebook: int) -> Tensor:
        """Logits (…, tokens) of a codebook from hidden states of cells (…, W)."""
        return (hidden_states * self.logit_scales[codebook]) @ self.token_embeddings(codebook).T

    @staticmethod
    def _attention_mask(is_token: Tensor) -> Tensor:
        """Which position attends to which, bool (B, 1, L + 64, L + 64): captions causally, cells to all."""
        length = is_token.shape[1]
        index = torch.arange(length + CELLS, device=is_token.device)
        is_cell = (index >= length)[:, None]
        exists = F.pad(is_token, (0, CELLS), value=True)[:, None, None, :]
        return exists & (is_cell | (index[None, :] <= index[:, None]))

    @staticmethod
    def _convolve(layers: nn.Module, cells: Tensor) -> Tensor:
        grid: Tensor = layers(cells.transpose(1, 2).unflatten(2, (GRID, GRID)))
        return grid.flatten(2).transpose(1, 2)

    def sample_tokens(self, encoding: HintedTextEncoding, noise: Tensor, tokens: Tensor) -> list[Tensor]:
        """Fill in the masked tokens of images, (B, tokens per cell, 64), each equal to its codebook's size.

        The noise (B, :attr:`noise_dim`) is standard normal. For each token of a cell one-hot choices
        (B, 64, codebook size) return, through which gradients flow as if they were probabilities.
        """
        masked = tokens == self.masked_tokens(len(tokens))
        known = tokens.masked_fill(masked, 0)
        cells, choices = self.embed_cells(encoding, noise, tokens), []
        for step in self.decoding_steps:
            any_masked = bool(masked[:, step.start : step.stop].any())
            hidden_states = self.encode_cells(encoding, cells) if any_masked else cells
            for codebook in step:
                choice = F.one_hot(known[:, codebook], self.codebook_sizes[codebook]).float()
                if any_masked:
                    is_new = masked[:, codebook, :, None]
                    values, levels = self.code_values[codebook].to(tokens.device), self.levels[codebook]
                    new = straight_through(self.logits(hidden_states, codebook), values, levels)
                    choice = torch.where(is_new, new, choice)
                    embedding = choice @ self.token_embeddings(codebook)
                    cells = cells + is_new * (embedding - self.mask_embedding(codebook))
                choices.append(choice)
        return choices


def straight_through(logits: Tensor, code_values: Tensor, levels: Sequence[int]) -> Tensor:
    """Choose the token nearest to the expected code, from logits (…, tokens) and codes (tokens, numbers).

    The most likely token would ignore many similar ones that are less likely, each by itself. The choice is
    one-hot (…, tokens); gradients flow as if it were the probabilities (straight-through estimator).
    """
    with torch.autocast(logits.device.type, enabled=False):
        probs = logits.float().softmax(-1)
        one_hot = F.one_hot(nearest_tokens(probs @ code_values, levels), logits.shape[-1]).float()
    return one_hot + probs - probs.detach() if torch.is_grad_enabled() else one_hot
