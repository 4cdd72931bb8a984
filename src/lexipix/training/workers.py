"""The workers that train one model together, each on its part of every batch; usually there is one alone.

They are the processes of torch's default process group, which an engine starts. Every worker takes the same
steps with the same weights; the first one validates and saves.
"""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.nn.functional import all_gather
from torch.nn import functional as F
from torch.nn.parallel import DistributedDataParallel
from torch.optim import Optimizer

Value = TypeVar("Value")
Batch = TypeVar("Batch")
Losses = Callable[[Batch], tuple[Tensor, dict[str, Tensor]]]


def n_workers() -> int:
    """Return how many workers train the model."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def rank() -> int:
    """Return the number of this worker; the first is 0."""
    return dist.get_rank() if n_workers() > 1 else 0


def own_rows(rows: Tensor) -> Tensor:
    """Return the part of a batch (B,) that this worker trains on.

    Strides keep the order of the batch, in which rows with equal captions stand at equal distances.
    """
    return rows[rank() :: n_workers()]


def agreed(compute: Callable[[], Value]) -> Value:
    """Return what ``compute`` returns on the first worker, a plain value, on every worker."""
    if n_workers() == 1:
        return compute()
    values: list[Any] = [compute() if rank() == 0 else None]
    dist.broadcast_object_list(values)
    value: Value = values[0]
    return value


def mean(metrics: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the means of scalar metrics over all workers."""
    if n_workers() == 1:
        return dict(metrics)
    values = torch.stack([value.detach().float() for value in metrics.values()])
    dist.all_reduce(values)
    return dict(zip(metrics, values / n_workers(), strict=True))


def gather(values: Tensor) -> Tensor:
    """Return the rows (B, ...) of all workers, with their gradients, those of the first worker first."""
    if n_workers() == 1:
        return values
    # Not every transport knows bfloat16
    sent = values.float() if values.is_floating_point() else values
    return torch.cat(all_gather(sent.contiguous())).to(values.dtype)


def gather_ids(ids: Tensor, pad_id: int) -> Tensor:
    """Return the token ids (B, L) of all workers, padded to the longest caption."""
    if n_workers() == 1:
        return ids
    longest = torch.tensor(ids.shape[1], device=ids.device)
    dist.all_reduce(longest, dist.ReduceOp.MAX)
    return gather(F.pad(ids, (0, int(longest) - ids.shape[1]), value=pad_id))


class _Objective(nn.Module):
    """The weights of an optimizer and the losses of a step, as DistributedDataParallel takes them."""

    def __init__(self, optimizer: Optimizer) -> None:
        super().__init__()
        self.weights = nn.ParameterList(
            weight for group in optimizer.param_groups for weight in group["params"]
        )

    def forward(self, losses: Losses[Batch], batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        return losses(batch)


_parallel: WeakKeyDictionary[Optimizer, DistributedDataParallel] = WeakKeyDictionary()


def compute_losses(
    optimizer: Optimizer, losses: Losses[Batch], batch: Batch
) -> tuple[Tensor, dict[str, Tensor]]:
    """Return ``losses(batch)``; its backward pass averages the gradients of the optimizer's weights.

    The losses of a step may leave out some weights: those of a captioner that reads text alone. Weights are
    not copied from the first worker here, as their graph may exist already: all workers made the same ones,
    from the same seed or checkpoint.
    """
    if n_workers() == 1:
        return losses(batch)
    if optimizer not in _parallel:
        _parallel[optimizer] = DistributedDataParallel(
            _Objective(optimizer), find_unused_parameters=True, broadcast_buffers=False, init_sync=False
        )
    loss: tuple[Tensor, dict[str, Tensor]] = _parallel[optimizer](losses, batch)
    return loss


def synchronize_batch_norm(modules: Mapping[str, nn.Module]) -> None:
    """Let batch norm use the statistics of the whole batch; torch can do that on GPUs only."""
    if n_workers() > 1:
        for module in modules.values():
            nn.SyncBatchNorm.convert_sync_batchnorm(module)
