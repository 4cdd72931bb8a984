"""Masked prediction of image tokens: which tokens to hide, which to predict, and the loss."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from lexipix.models.token_generator import CELLS, TokenGenerator


def known_token_counts(n_rows: int, tokens_per_cell: int) -> Tensor:
    """Return how many tokens of its cells each row of a batch knows: int64 (B,).

    Half of the rows know none, half of the rest one, and so on: the first token decides most of the image.
    """
    fractions = torch.tensor([0.5 ** (index + 1) for index in range(tokens_per_cell)], dtype=torch.float64)
    ends = (fractions.cumsum(0) / fractions.sum() * n_rows).round()
    return torch.bucketize(torch.arange(n_rows), ends.long(), right=True).clamp_max(tokens_per_cell - 1)


def hidden_cell_counts(fractions: Tensor) -> Tensor:
    """Return in how many cells a token is hidden, at least in one, for fractions (B,): int64 (B,)."""
    return (fractions * CELLS).ceil().long().clamp(1, CELLS)


def hide(tokens: Tensor, known: Tensor, n_hidden: Tensor, order: Tensor, codebooks: Sequence[int]) -> Tensor:
    """Return tokens (B, tokens per cell, 64) with those to predict, and all later ones, hidden.

    The first ``known`` (B,) tokens of each cell are known. The next one is hidden in the ``n_hidden`` (B,)
    cells with the smallest random numbers ``order`` (B, 64), and those after it everywhere. A hidden token is
    equal to the size of its codebook.
    """
    hidden = order.argsort(1).argsort(1) < n_hidden[:, None]
    index = torch.arange(tokens.shape[1], device=tokens.device)[None, :, None]
    at = known[:, None, None]
    is_hidden = (index > at) | ((index == at) & hidden[:, None])
    mask_ids = torch.tensor(list(codebooks), device=tokens.device)[None, :, None]
    return torch.where(is_hidden, mask_ids, tokens)


def tokens_to_predict(generator: TokenGenerator, partial: Tensor, known: Tensor) -> Tensor:
    """Return which hidden tokens the next decoding step predicts: bool (B, tokens per cell, 64).

    Hidden tokens in ``partial`` are as large as their codebook; ``known`` (B,) of each cell are not hidden.
    """
    index = torch.arange(partial.shape[1], device=partial.device)
    now = index[None] < torch.tensor(generator.step_ends, device=partial.device)[known][:, None]
    return (partial == generator.masked_tokens(len(partial))) & now[:, :, None]


def token_losses(
    generator: TokenGenerator, states: Tensor, tokens: Tensor, predicted: Tensor
) -> list[Tensor]:
    """Return the mean cross-entropy in nats of each codebook, 0 for a codebook that no row predicts.

    ``states`` (B, 64, W) are the hidden states of the cells, ``tokens`` (B, tokens per cell, 64) the true
    tokens, and ``predicted``, bool of the same shape, says which count.
    """
    losses = []
    for codebook, chosen in enumerate(predicted.unbind(1)):
        logits = generator.logits(states[chosen], codebook).float()
        total = F.cross_entropy(logits, tokens[:, codebook][chosen], reduction="sum")
        losses.append(total / max(1, len(logits)))
    return losses
