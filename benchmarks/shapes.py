"""A lower bound for the time of a computation: its convolutions and matrix products, each timed alone.

A large matrix product measures the peak rate of a machine, which a network of small layers never reaches.
Here each distinct product of the network's own shapes, forward and backward, is timed alone. The sum is the
time of a step that does nothing else.
"""

from __future__ import annotations

import statistics
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch.utils._python_dispatch import TorchDispatchMode

aten = torch.ops.aten
PRODUCTS = {
    aten.convolution, aten.convolution_backward, aten.mm, aten.addmm, aten.bmm, aten.baddbmm,
    aten._scaled_dot_product_flash_attention_for_cpu,
    aten._scaled_dot_product_flash_attention_for_cpu_backward,
}  # fmt: skip
MIN_TIMES, MIN_SECONDS = 3, 0.02


class _Shape(NamedTuple):
    """Shape, stride and type of a tensor."""

    size: tuple[int, ...]
    stride: tuple[int, ...]
    dtype: torch.dtype

    def fill(self) -> torch.Tensor:
        """Return a random tensor with this layout; elements that share memory share it again."""
        reach = sum((n - 1) * step for n, step in zip(self.size, self.stride, strict=True)) + 1
        return torch.randn(max(reach, 1)).to(self.dtype).as_strided(self.size, self.stride)


class _Noted(TorchDispatchMode):
    """Counts the products that run in its context, by operation and shapes."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: Counter[tuple[Any, Any, Any]] = Counter()

    def __torch_dispatch__(
        self, function: Any, types: Any, args: Any = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        if function.overloadpacket in PRODUCTS:
            self.calls[function, _without_numbers(args), _without_numbers(tuple((kwargs or {}).items()))] += 1
        return function(*args, **(kwargs or {}))


def seconds_allowed(call: Callable[[], Any]) -> float:
    """Return the seconds of the products in ``call``: the sum of the medians of each run alone."""
    with _Noted() as noted:
        call()
    return sum(n * _seconds_alone(*described) for described, n in noted.calls.items())


@torch.no_grad()
def _seconds_alone(function: Any, args: Any, kwargs: Any) -> float:
    given, named = _with_numbers(args), dict(_with_numbers(kwargs))
    function(*given, **named)
    taken: list[float] = []
    while len(taken) < MIN_TIMES or sum(taken) < MIN_SECONDS:
        start = time.perf_counter()
        function(*given, **named)
        taken.append(time.perf_counter() - start)
    return statistics.median(taken)


def _without_numbers(value: Any) -> Any:
    if isinstance(value, torch.Tensor):
        return _Shape(tuple(value.shape), value.stride(), value.dtype)
    if isinstance(value, Sequence) and not isinstance(value, str):
        return tuple(map(_without_numbers, value))
    return value


def _with_numbers(value: Any) -> Any:
    if isinstance(value, _Shape):
        return value.fill()
    if isinstance(value, tuple):
        return [_with_numbers(part) for part in value]
    return value
