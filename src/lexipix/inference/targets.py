"""Targets such as ``ssim=0.6``: the value of a metric from which an image is good enough."""

from dataclasses import dataclass
from typing import Literal

from lexipix.utils.errors import LexipixError

Metric = Literal["ssim", "psnr", "score"]
_RANGES: dict[Metric, tuple[float, float]] = {"ssim": (-1, 1), "psnr": (0, 100), "score": (-1, 1)}


@dataclass(frozen=True)
class Target:
    """A metric and the value from which an image is good enough."""

    metric: Metric
    value: float

    def __str__(self) -> str:
        return f"{self.metric}={self.value:g}"


def parse_target(text: str) -> Target:
    """The target that a text such as ``ssim=0.6``, ``psnr=20`` or ``score=0.8`` names.

    Raises:
        LexipixError: The metric is unknown, or the value is no number or out of the metric's range.
    """
    name, _, value = (part.strip() for part in text.partition("="))
    for metric, (lowest, highest) in _RANGES.items():
        if name == metric:
            try:
                number = float(value)
            except ValueError:
                break
            if lowest <= number <= highest:
                return Target(metric, number)
            raise LexipixError(
                f"The target {text} is out of range: {metric} lies between {lowest} and {highest}."
            )
    raise LexipixError(f"The target {text!r} is unknown: write ssim=0.6, psnr=20 or score=0.8.")
