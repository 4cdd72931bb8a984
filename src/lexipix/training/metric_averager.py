"""Figures of a training between two reports."""

import math
from collections.abc import Mapping

from torch import Tensor


class MetricAverager:
    """Sums of the figures since the last report, kept as tensors so that no step waits for a number."""

    def __init__(self) -> None:
        self.sums: dict[str, Tensor] = {}
        self.counts: dict[str, int] = {}
        self.latest: Mapping[str, Tensor] = {}

    def add(self, losses: Mapping[str, Tensor]) -> None:
        self.latest = losses
        for key, loss in losses.items():
            value = loss.detach().float()
            self.sums[key] = self.sums[key] + value if key in self.sums else value.clone()
            self.counts[key] = self.counts.get(key, 0) + 1

    def mean(self) -> dict[str, float]:
        means = {key: float(total) / self.counts[key] for key, total in self.sums.items()}
        self.sums, self.counts = {}, {}
        return means

    def is_finite(self) -> bool:
        return all(math.isfinite(float(value.detach())) for value in self.latest.values())

    def tensors(self) -> dict[str, Tensor]:
        return {f"window/{key}": total for key, total in self.sums.items()}

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, Tensor], counts: Mapping[str, int]) -> "MetricAverager":
        window = cls()
        window.counts = dict(counts)
        window.sums = {key: tensors[f"window/{key}"].clone() for key in counts}
        return window
