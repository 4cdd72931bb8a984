"""Means of the training metrics between two validations."""

import math
from collections.abc import Mapping

from torch import Tensor


class MetricAverager:
    """Sums metrics as tensors on their device, so that no step waits for a GPU.

    Attributes:
        sums: Of each metric since the last :meth:`mean`.
        counts: Steps that reported each metric since then.
        latest: Metrics of the last step.
    """

    def __init__(self) -> None:
        self.sums: dict[str, Tensor] = {}
        self.counts: dict[str, int] = {}
        self.latest: Mapping[str, Tensor] = {}

    def add(self, metrics: Mapping[str, Tensor]) -> None:
        """Add the metrics of one step."""
        self.latest = metrics
        for key, metric in metrics.items():
            value = metric.detach().float()
            self.sums[key] = self.sums[key] + value if key in self.sums else value.clone()
            self.counts[key] = self.counts.get(key, 0) + 1

    def mean(self) -> dict[str, float]:
        """Return the mean of each metric, and start anew."""
        means = {key: float(total) / self.counts[key] for key, total in self.sums.items()}
        self.sums, self.counts = {}, {}
        return means

    def is_finite(self) -> bool:
        """Whether every metric of the last step is finite."""
        return all(math.isfinite(float(value.detach())) for value in self.latest.values())
