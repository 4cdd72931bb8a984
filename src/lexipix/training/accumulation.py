"""Gradient accumulation: one optimizer step from several micro-batches."""

from collections.abc import Callable, Sequence
from typing import TypeVar

import torch
from torch import Tensor, nn

Batch = TypeVar("Batch")


def micro_batches(rows: Tensor, steps: int) -> list[Tensor]:
    """Split the rows of a batch (B,) into ``steps`` micro-batches of every ``steps``-th row.

    Strides keep the order of the batch, in which rows with equal captions stand at equal distances.
    """
    return [rows[start::steps] for start in range(steps)]


def optimizer_step(
    optimizer: torch.optim.Optimizer,
    losses: Callable[[Batch], tuple[Tensor, dict[str, Tensor]]],
    batches: Sequence[Batch],
    *,
    clip: float | None = None,
) -> dict[str, Tensor]:
    """Take one optimizer step on the mean loss of several micro-batches.

    Args:
        optimizer: Its gradients are cleared first.
        losses: Returns the loss of a micro-batch, and scalar metrics.
        batches: The micro-batches.
        clip: Largest norm of the accumulated gradient; None does not clip.

    Returns:
        The metrics, averaged over the micro-batches.
    """
    weights = [weight for group in optimizer.param_groups for weight in group["params"]]
    optimizer.zero_grad()
    metrics = []
    for batch in batches:
        loss, values = losses(batch)
        (loss / len(batches)).backward()
        metrics.append({key: value.detach().float() for key, value in values.items()})
    if clip is not None:
        nn.utils.clip_grad_norm_(weights, clip)
    optimizer.step()
    return {key: torch.stack([values[key] for values in metrics]).mean() for key in metrics[0]}
