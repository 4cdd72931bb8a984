"""One decoding step of the small GPT-2 with cross-attention, for the exported captioner.

The key and value projections of cross-attention are folded into the query and output projections, so that
every layer and head attends to the cells as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

if TYPE_CHECKING:
    from transformers import GPT2LMHeadModel

# (layer, key, value) of the last token, (B, heads, W / heads) each, to the keys and values of all tokens so
# far, (B, heads, tokens, W / heads) each
UpdateCache = Callable[[int, Tensor, Tensor], tuple[Tensor, Tensor]]


class FoldedCrossAttention(NamedTuple):
    """Cross-attention of a layer as two linear maps around the softmax; queries multiply the cells."""

    query_weight: Tensor  # (W, heads * W)
    query_bias: Tensor  # (heads * W,)
    output_weight: Tensor  # (heads * W, W)
    output_bias: Tensor  # (W,)

    def attend(self, hidden_states: Tensor, cells: Tensor, heads: int) -> Tensor:
        """Output (B, W) for hidden states (B, W) and cells (B, N, W)."""
        queries = torch.addmm(self.query_bias, hidden_states, self.query_weight)
        queries = queries.unflatten(1, (heads, -1))  # (B, heads, W)
        attended = (queries @ cells.transpose(1, 2)).softmax(-1) @ cells  # (B, heads, W)
        return torch.addmm(self.output_bias, attended.flatten(1), self.output_weight)


def next_token_logits(
    model: GPT2LMHeadModel,
    layers: Sequence[FoldedCrossAttention],
    embeddings: Tensor,
    cells: Tensor,
    update_cache: UpdateCache,
) -> Tensor:
    """Logits (B, V) of the next token.

    ``layers`` are from :func:`fold_cross_attention`, ``embeddings`` (B, W) those of the last token and its
    position, and ``cells`` (B, N, W) what it attends to. ``update_cache`` stores keys and values of the last
    token and returns those of all tokens.
    """
    transformer, hidden_states = model.transformer, embeddings
    for index, (block, cross) in enumerate(zip(transformer.h, layers, strict=True)):
        attended = _self_attention(block.attn, block.ln_1(hidden_states), index, update_cache)
        hidden_states = hidden_states + attended
        attended = cross.attend(block.ln_cross_attn(hidden_states), cells, model.config.n_head)
        hidden_states = hidden_states + attended
        # torch's fused GELU; the one of transformers is a chain of elementwise operations
        activated = F.gelu(block.mlp.c_fc(block.ln_2(hidden_states)), approximate="tanh")
        hidden_states = hidden_states + block.mlp.c_proj(activated)
    logits: Tensor = model.lm_head(transformer.ln_f(hidden_states))
    return logits


def fold_cross_attention(model: GPT2LMHeadModel) -> list[FoldedCrossAttention]:
    """The folded cross-attention of each layer."""
    return [_fold(block.crossattention) for block in model.transformer.h]


def _fold(attention: Any) -> FoldedCrossAttention:
    # The bias of the keys adds the same to the score of every cell, which softmax ignores
    heads, width = attention.num_heads, attention.embed_dim
    by_head = (width, heads, width // heads)
    keys, values = (part.view(by_head) for part in attention.c_attn.weight.split(width, 1))
    queries, out = attention.q_attn.weight.view(by_head), attention.c_proj.weight
    bias = attention.q_attn.bias.view(by_head[1:])
    return FoldedCrossAttention(
        query_weight=attention.scaling * torch.einsum("ihd,jhd->ihj", queries, keys).flatten(1),
        query_bias=attention.scaling * torch.einsum("hd,jhd->hj", bias, keys).flatten(),
        output_weight=torch.einsum("jhd,hdo->hjo", values, out.view(*by_head[1:], width)).flatten(0, 1),
        output_bias=attention.c_proj(attention.c_attn.bias[width:]),
    )


def _self_attention(attention: Any, hidden_states: Tensor, layer: int, update_cache: UpdateCache) -> Tensor:
    heads = attention.num_heads
    projected = attention.c_attn(hidden_states).chunk(3, 1)
    query, key, value = (part.unflatten(1, (heads, -1)) for part in projected)  # (B, heads, W / heads)
    keys, values = update_cache(layer, key, value)
    query = (query * attention.scaling).unsqueeze(2)
    attended = (query @ keys.transpose(2, 3)).softmax(-1) @ values
    output: Tensor = attention.c_proj(attended.flatten(1))
    return output
