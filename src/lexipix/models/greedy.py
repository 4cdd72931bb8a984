"""The most likely words for many pictures, written by the small GPT-2 that looks at them by cross-attention.

The same words as `generate` of transformers, for many short texts at once. Cells are never turned into keys
and values: the two projections are multiplied into those around them, once, so that every layer and head
reads the cells as they are; with three layers a word then reads a sixth of the memory. Keys and values of
the words stand in memory of a fixed size, and texts that have ended are left out of the batch.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F
from transformers import GPT2LMHeadModel

ENDED_SHARE = 1 / 8  # of the batch must have ended before the others are moved together


# Given a layer's number, and keys and values of the last word, (B, heads, W / heads) each: those of all words
# so far, (B, heads, words, W / heads)
Remember = Callable[[int, Tensor, Tensor], tuple[Tensor, Tensor]]


class Look(NamedTuple):
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
        model: From :func:`lexipix.models.captioner.small_gpt2`, with cross-attention.
        cells: What it looks at, (B, cells, W).
        max_tokens: Longest text, EOS included.
        start_id: Token before the first word.
        pad_id: Token behind the last word.
        eos_id: Token that ends a text.

    Returns:
        Ids (B, L), each row closed by EOS and then padding, or cut at ``max_tokens``.
    """
    core, (n_texts, _, width), heads = model.transformer, cells.shape, model.config.n_head
    looks = looks_of(model)
    memory = cells.new_empty(len(core.h), 2, n_texts, heads, max_tokens, width // heads)
    ids = torch.full((n_texts, max_tokens), pad_id, device=cells.device)
    rows = torch.arange(n_texts, device=cells.device)  # of the texts in the batch
    words = torch.full_like(rows, start_id)
    ended = torch.zeros_like(rows, dtype=torch.bool)
    for position in range(max_tokens):

        def remember(
            number: int, key: Tensor, value: Tensor, memory: Tensor = memory, position: int = position
        ) -> tuple[Tensor, Tensor]:
            kept = memory[number]
            kept[0, :, :, position], kept[1, :, :, position] = key, value
            return kept[0, :, :, : position + 1], kept[1, :, :, : position + 1]

        embedded = core.wte.weight[words] + core.wpe.weight[position]
        words = next_word(model, looks, embedded, cells, remember).argmax(1).where(~ended, pad_id)
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


def next_word(
    model: GPT2LMHeadModel, looks: Sequence[Look], states: Tensor, cells: Tensor, remember: Remember
) -> Tensor:
    """Logits (B, V) of the word after the last one.

    Args:
        model: As above.
        looks: Its :func:`looks_of`.
        states: The last word, embedded with its position, (B, W).
        cells: (B, cells, W).
        remember: Keeps keys and values.
    """
    core = model.transformer
    for number, (layer, look) in enumerate(zip(core.h, looks, strict=True)):
        states = states + _recall(layer.attn, layer.ln_1(states), number, remember)
        states = states + _see(look, layer.ln_cross_attn(states), cells, model.config.n_head)
        states = states + _think(layer.mlp, layer.ln_2(states))
    logits: Tensor = model.lm_head(core.ln_f(states))
    return logits


def looks_of(model: GPT2LMHeadModel) -> list[Look]:
    """How each layer looks at the cells."""
    return [_look(layer.crossattention) for layer in model.transformer.h]


def _look(attention: Any) -> Look:
    """Multiply the projections of keys and values into those of queries and outputs.

    The keys' bias adds the same to every cell's score, which softmax does not notice.
    """
    heads, width = attention.num_heads, attention.embed_dim
    by_head = (width, heads, width // heads)
    keys, values = (part.view(by_head) for part in attention.c_attn.weight.split(width, 1))
    queries, out = attention.q_attn.weight.view(by_head), attention.c_proj.weight
    bias = attention.q_attn.bias.view(by_head[1:])
    return Look(
        ask=attention.scaling * torch.einsum("ihd,jhd->ihj", queries, keys).flatten(1),
        ask_bias=attention.scaling * torch.einsum("hd,jhd->hj", bias, keys).flatten(),
        take=torch.einsum("jhd,hdo->hjo", values, out.view(*by_head[1:], width)).flatten(0, 1),
        take_bias=attention.c_proj(attention.c_attn.bias[width:]),
    )


def _see(look: Look, states: Tensor, cells: Tensor, heads: int) -> Tensor:
    """Cross-attention: the heads of a text are queries on the cells of its picture."""
    queries = torch.addmm(look.ask_bias, states, look.ask).unflatten(1, (heads, -1))  # (B, heads, W)
    seen = (queries @ cells.transpose(1, 2)).softmax(-1) @ cells
    return torch.addmm(look.take_bias, seen.flatten(1), look.take)


def _recall(attention: Any, states: Tensor, number: int, remember: Remember) -> Tensor:
    """Self-attention on the words so far."""
    heads = attention.num_heads
    query, key, value = (part.unflatten(1, (heads, -1)) for part in attention.c_attn(states).chunk(3, 1))
    keys, values = remember(number, key, value)
    query = (query * attention.scaling).unsqueeze(2)
    found = (query @ keys.transpose(2, 3)).softmax(-1) @ values
    output: Tensor = attention.c_proj(found.flatten(1))
    return output


def _think(mlp: Any, states: Tensor) -> Tensor:
    """The two-layer perceptron; torch's own GELU goes through memory once, that of transformers often."""
    output: Tensor = mlp.c_proj(F.gelu(mlp.c_fc(states), approximate="tanh"))
    return output
