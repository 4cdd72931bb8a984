"""Steps of a training as CUDA graphs: recorded once, then replayed without a word from the CPU in between.

A step of small networks is thousands of small kernels. A GPU is done with each before Python has asked for
the next; a graph asks for all of them at once. Which kernels they are must not depend on numbers that the
GPU makes, and the inputs keep their shapes.
"""

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

Figures = dict[str, Tensor]
PLAIN_STEPS = 3  # on a stream of their own: libraries set themselves up and optimizers make their moments


class _Tape(NamedTuple):
    graph: torch.cuda.CUDAGraph
    inputs: Sequence[Tensor]
    figures: Figures


class CudaGraphRunner:
    """Takes steps on the current GPU, most of them by replaying one that was recorded.

    Args:
        optimizers: Of the training; their learning rates become tensors that a schedule fills, see
            :func:`set_rate`.
    """

    def __init__(self, optimizers: Iterable[torch.optim.Optimizer]) -> None:
        for optimizer in optimizers:
            for group in optimizer.param_groups:
                rate = torch.tensor(float(group["lr"]), device=group["params"][0].device)
                group.update(capturable=True, lr=rate)
        self._stream = torch.cuda.Stream()
        self._pool = torch.cuda.graph_pool_handle()
        self._plain: Counter[Hashable] = Counter()
        self._tapes: dict[Hashable, _Tape] = {}

    def __call__(self, work: Callable[..., Figures], inputs: Sequence[Tensor], *variant: Hashable) -> Figures:
        """Let ``work`` update weights from ``inputs``; another variant, or other shapes, is another record.

        Returns:
            Scalars.
        """
        kind = (variant, torch.is_autocast_enabled("cuda"), tuple((one.shape, one.dtype) for one in inputs))
        if kind not in self._tapes:
            self._plain[kind] += 1
            if self._plain[kind] <= PLAIN_STEPS:
                return self._aside(work, inputs)
            self._tapes[kind] = self._record(work, inputs)
        tape = self._tapes[kind]
        for held, given in zip(tape.inputs, inputs, strict=True):
            held.copy_(given)
        tape.graph.replay()
        return {key: value.clone() for key, value in tape.figures.items()}

    def _aside(self, work: Callable[..., Figures], inputs: Sequence[Tensor]) -> Figures:
        self._stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(self._stream):
            figures = {key: value.detach() for key, value in work(*inputs).items()}
        torch.cuda.current_stream().wait_stream(self._stream)
        return figures

    def _record(self, work: Callable[..., Figures], inputs: Sequence[Tensor]) -> _Tape:
        held = [one.clone() for one in inputs]
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, self._pool, self._stream):
            figures = {key: value.detach() for key, value in work(*held).items()}
        return _Tape(graph, held, figures)


def set_rate(optimizer: torch.optim.Optimizer, rates: Sequence[float]) -> None:
    """Set the learning rate of each group, in place where a recorded step looks it up."""
    for group, rate in zip(optimizer.param_groups, rates, strict=True):
        if isinstance(group["lr"], Tensor):
            group["lr"].fill_(rate)
        else:
            group["lr"] = rate
