"""The most likely words for many pictures, written by the small GPT-2 that looks at them by cross-attention.

The same words as `generate` of transformers, for many short texts at once. Cells are never turned into keys
and values: the two projections are multiplied into those around them, once, so that every layer and head
reads the cells as they are; with three layers a word then reads a sixth of the memory. Keys and values of
the words stand in memory of a fixed size, and texts that have ended are left out of the batch.
"""

from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F
from transformers import GPT2LMHeadModel

ENDED_SHARE = 1 / 8  # of the batch must have ended before the others are moved together


class _Look(NamedTuple):
    """The cross-attention of a layer: states to a query of each head on the cells, and cells to states."""

    ask: Tensor  # (W, heads * W), the scale of attention included
    ask_bias: Tensor  # (heads * W,)
    take: Tensor  # (heads * W, W)
    take_bias: Tensor  # (W,)


@torch.no_grad()
def most_likely_words(
    model: GPT2LMHeadModel, cells: Tensor, max_tokens: int, *, start_id: int, pad_id: int, eos_id: int
) -> Tensor:
    """Write greedily, with a key-value cache.

    Args:
        model: From :func:`lexipix.networks.captioner.small_gpt2`, with cross-attention.
        cells: What it looks at, (B, cells, W).
        max_tokens: Longest text, EOS included.
        start_id: Token before the first word.
        pad_id: Token behind the last word.
        eos_id: Token that ends a text.

    Returns:
        Ids (B, L), each row closed by EOS and then padding, or cut at ``max_tokens``.
    """
    core, (n_texts, _, width), heads = model.transformer, cells.shape, model.config.n_head
    looks = [_look(layer.crossattention) for layer in core.h]
    memory = cells.new_empty(len(core.h), 2, n_texts, heads, max_tokens, width // heads)
    ids = torch.full((n_texts, max_tokens), pad_id, device=cells.device)
    rows = torch.arange(n_texts, device=cells.device)  # of the texts in the batch
    words = torch.full_like(rows, start_id)
    ended = torch.zeros_like(rows, dtype=torch.bool)
    for position in range(max_tokens):
        states = core.wte.weight[words] + core.wpe.weight[position]  # (B, W)
        for layer, look, kept in zip(core.h, looks, memory, strict=True):
            states = states + _remember(layer.attn, layer.ln_1(states), kept, position)
            states = states + _see(look, layer.ln_cross_attn(states), cells, heads)
            states = states + _think(layer.mlp, layer.ln_2(states))
        words = model.lm_head(core.ln_f(states)).argmax(1).where(~ended, pad_id)
        ids[rows, position] = words
        ended |= words == eos_id
        n_ended = int(ended.sum())
        if n_ended == len(rows):
            return ids[:, : position + 1]
        if n_ended >= ENDED_SHARE * len(rows):
            going = (~ended).nonzero().squeeze(1)
            rows, words, ended, cells = rows[going], words[going], ended[going], cells[going]
            shorter = memory.new_empty(*memory.shape[:2], len(going), *memory.shape[3:])
            shorter[..., : position + 1, :] = memory[:, :, going, :, : position + 1]
            memory = shorter
    return ids


def _look(attention: Any) -> _Look:
    """Multiply the projections of keys and values into those of queries and outputs.

    The keys' bias adds the same to every cell's score, which softmax does not notice.
    """
    heads, width = attention.num_heads, attention.embed_dim
    by_head = (width, heads, width // heads)
    keys, values = (part.view(by_head) for part in attention.c_attn.weight.split(width, 1))
    queries, out = attention.q_attn.weight.view(by_head), attention.c_proj.weight
    bias = attention.q_attn.bias.view(by_head[1:])
    return _Look(
        ask=attention.scaling * torch.einsum("ihd,jhd->ihj", queries, keys).flatten(1),
        ask_bias=attention.scaling * torch.einsum("hd,jhd->hj", bias, keys).flatten(),
        take=torch.einsum("jhd,hdo->hjo", values, out.view(*by_head[1:], width)).flatten(0, 1),
        take_bias=attention.c_proj(attention.c_attn.bias[width:]),
    )


def _see(look: _Look, states: Tensor, cells: Tensor, heads: int) -> Tensor:
    """Cross-attention: the heads of a text are queries on the cells of its picture."""
    queries = torch.addmm(look.ask_bias, states, look.ask).unflatten(1, (1, heads, -1))  # (B, 1, heads, W)
    seen = F.scaled_dot_product_attention(queries, cells.unsqueeze(1), cells.unsqueeze(1), scale=1.0)
    return torch.addmm(look.take_bias, seen.flatten(1), look.take)


def _remember(attention: Any, states: Tensor, kept: Tensor, position: int) -> Tensor:
    """Self-attention on the words so far; ``kept`` is (2, B, heads, longest, W / heads)."""
    heads = attention.num_heads
    query, key, value = (part.unflatten(1, (heads, -1)) for part in attention.c_attn(states).chunk(3, 1))
    kept[0, :, :, position], kept[1, :, :, position] = key, value
    keys, values = kept[:, :, :, : position + 1]
    found = F.scaled_dot_product_attention(query.unsqueeze(2), keys, values, scale=attention.scaling)
    output: Tensor = attention.c_proj(found.flatten(1))
    return output


def _think(mlp: Any, states: Tensor) -> Tensor:
    """The two-layer perceptron; torch's own GELU goes through memory once, that of transformers often."""
    output: Tensor = mlp.c_proj(F.gelu(mlp.c_fc(states), approximate="tanh"))
    return output
