"""Exponential moving averages of weights."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from lexipix.training.checkpoint_state import cloned, live_state


class ExponentialMovingAverage:
    """Averaged copies of the weights and buffers of some modules.

    The half-life is a fraction of the images seen so far (EDM's ramp, arXiv 2206.00364), so that early
    weights are soon forgotten. Buffers (batch-norm statistics) are averaged like weights; integer buffers are
    copied. Weights with ``fixed`` names never change and need no average.
    """

    def __init__(
        self, modules: Mapping[str, nn.Module], halflife_fraction: float, fixed: frozenset[str] = frozenset()
    ) -> None:
        self.modules, self.halflife_fraction, self.fixed = dict(modules), halflife_fraction, fixed
        self.weights = cloned(self._state())

    def _state(self) -> dict[str, Tensor]:
        return live_state(self.modules, self.fixed)

    @torch.no_grad()
    def update(self, images_seen: int, batch_size: int) -> None:
        """Move the averages towards the current weights after a step of ``batch_size`` images."""
        beta = 0.5 ** (batch_size / max(self.halflife_fraction * images_seen, 1e-9))
        current = self._state()
        floating = [key for key, value in current.items() if value.is_floating_point()]
        torch._foreach_lerp_([self.weights[k] for k in floating], [current[k] for k in floating], 1 - beta)
        for key, value in current.items():
            if not value.is_floating_point():
                self.weights[key].copy_(value)

    @torch.no_grad()
    def restore(self, weights: Mapping[str, Tensor]) -> None:
        current = self._state()
        for key, value in weights.items():
            current[key].copy_(value)

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Inside, the modules hold the averages in evaluation mode; afterwards they are as before."""
        training = {name: module.training for name, module in self.modules.items()}
        live = cloned(self._state())
        self.restore(self.weights)
        for module in self.modules.values():
            module.eval()
        try:
            yield
        finally:
            self.restore(live)
            for name, module in self.modules.items():
                module.train(training[name])
