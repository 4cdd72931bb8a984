"""Training steps as CUDA graphs, which launch thousands of small kernels at once, without Python in between.

Which kernels run must not depend on values that the GPU computes.
"""

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

Metrics = dict[str, Tensor]
WARMUP_STEPS = 3  # uncaptured, on a side stream: libraries initialize and optimizers create their moments


class _Captured(NamedTuple):
    graph: torch.cuda.CUDAGraph
    inputs: Sequence[Tensor]
    metrics: Metrics


class CudaGraphRunner:
    """Runs steps on the current GPU, after a warm-up by replaying a captured graph.

    The learning rates of the optimizers become tensors that :func:`set_lr` fills.
    """

    def __init__(self, optimizers: Iterable[torch.optim.Optimizer]) -> None:
        for optimizer in optimizers:
            for group in optimizer.param_groups:
                lr = torch.tensor(float(group["lr"]), device=group["params"][0].device)
                group.update(capturable=True, lr=lr)
        self._stream = torch.cuda.Stream()
        self._pool = torch.cuda.graph_pool_handle()
        self._warmed: Counter[Hashable] = Counter()
        self.captured: dict[Hashable, _Captured] = {}

    def __call__(
        self, update: Callable[..., Metrics], inputs: Sequence[Tensor], variant: Hashable = None
    ) -> Metrics:
        """Update weights by ``update``, a function of its inputs alone, and return scalar metrics.

        The shapes of the inputs select the graph, and the variant: steps of one variant run the same kernels.
        """
        kind = (variant, torch.is_autocast_enabled("cuda"), tuple((one.shape, one.dtype) for one in inputs))
        if kind not in self.captured:
            self._warmed[kind] += 1
            if self._warmed[kind] <= WARMUP_STEPS:
                return self._warm_up(update, inputs)
            self.captured[kind] = self._capture(update, inputs)
        step = self.captured[kind]
        for held, given in zip(step.inputs, inputs, strict=True):
            held.copy_(given)
        step.graph.replay()
        return {key: value.clone() for key, value in step.metrics.items()}

    def _warm_up(self, update: Callable[..., Metrics], inputs: Sequence[Tensor]) -> Metrics:
        self._stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(self._stream):
            metrics = {key: value.detach() for key, value in update(*inputs).items()}
        torch.cuda.current_stream().wait_stream(self._stream)
        return metrics

    def _capture(self, update: Callable[..., Metrics], inputs: Sequence[Tensor]) -> _Captured:
        held = [one.clone() for one in inputs]
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, self._pool, self._stream):
            metrics = {key: value.detach() for key, value in update(*held).items()}
        return _Captured(graph, held, metrics)


def set_lr(optimizer: torch.optim.Optimizer, lrs: Sequence[float]) -> None:
    """Set the learning rate of each group, in place where a captured step reads it."""
    for group, lr in zip(optimizer.param_groups, lrs, strict=True):
        if isinstance(group["lr"], Tensor):
            group["lr"].fill_(lr)
        else:
            group["lr"] = lr
