"""Targets such as ``ssim=0.6``: the value of a metric from which an image is good enough."""

from dataclasses import dataclass

from lexipix.utils.errors import LexipixError

_RANGES = {"ssim": (-1, 1), "psnr": (0, 100), "score": (-1, 1)}


@dataclass(frozen=True)
class Target:
    """A metric and the value from which an image is good enough."""

    metric: str
    value: float

    def __str__(self) -> str:
        return f"{self.metric}={self.value:g}"


def parse_target(text: str) -> Target:
    """The target that a text such as ``ssim=0.6`` or ``psnr=20`` names; a LexipixError if it names none."""
    name, _, value = (part.strip() for part in text.partition("="))
    try:
        number, (lowest, highest) = float(value), _RANGES[name]
    except (ValueError, KeyError):
        raise LexipixError(f"The target {text!r} is unknown: write ssim=0.6, psnr=20 or score=0.8.") from None
    if not lowest <= number <= highest:
        raise LexipixError(f"The target {text} is out of range: {name} lies between {lowest} and {highest}.")
    return Target(name, number)
