"""What is good enough: a measure that reaches a value."""

from dataclasses import dataclass
from typing import Literal

from lexipix.utils.errors import LexipixError

Metric = Literal["ssim", "psnr", "score"]
_RANGES: dict[Metric, tuple[float, float]] = {"ssim": (-1, 1), "psnr": (0, 100), "score": (-1, 1)}


@dataclass(frozen=True)
class Target:
    """What is good enough: a metric that reaches a value."""

    metric: Metric
    value: float

    def __str__(self) -> str:
        return f"{self.metric}={self.value:g}"


def parse_target(text: str) -> Target:
    """Read ``ssim=0.6``, ``psnr=20`` or ``score=0.8``.

    Raises:
        LexipixError: Another metric, no number, or one that the metric cannot reach.
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
            allowed = f"{metric} lies between {lowest} and {highest}"
            raise LexipixError(f"The target {text} is out of range: {allowed}.")
    raise LexipixError(f"The target {text!r} is not understood: write ssim=0.6, psnr=20 or score=0.8.")
