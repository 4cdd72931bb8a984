"""The rule that decides whether a new model replaces the registered champion."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

TINY = 1e-9  # smaller differences are rounding errors


@dataclass(frozen=True)
class Measured:
    """A model's metrics on the test split, and the digest of the images of its training and test."""

    data: str
    metrics: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Decision:
    """Whether the challenger becomes the champion, and the reason in a sentence."""

    promoted: bool
    reason: str


def decide(
    challenger: Measured, champion: Measured | None, gated: Sequence[str], max_loss: float
) -> Decision:
    """Decide whether a challenger replaces the champion, if there is one yet.

    It does if the product of the ``gated`` metrics is higher and no single one falls by more than the share
    ``max_loss``. The product orders all models, so that no two of them can replace each other in turn. Models
    of different data are not compared: a person decides. Metrics that only one of them has are ignored.
    """
    if champion is None:
        return Decision(True, "It is the first champion.")
    if challenger.data != champion.data:
        return Decision(
            False,
            "It was measured on other data than the champion, so their metrics do not compare: to use it, "
            "set the alias champion by hand.",
        )
    ratios = {
        name: challenger.metrics[name] / champion.metrics[name]
        for name in gated
        if name in challenger.metrics and champion.metrics.get(name, 0.0) > 0
    }
    if not ratios:
        return Decision(False, f"No metric of {', '.join(gated)} was measured for both models.")
    values = ", ".join(
        f"{name} {challenger.metrics[name]:.4f} (champion {champion.metrics[name]:.4f})" for name in ratios
    )
    worst = min(ratios, key=lambda name: ratios[name])
    if ratios[worst] < 1 - max_loss - TINY:
        return Decision(False, f"It loses more than {max_loss:.1%} of {worst}: {values}.")
    if sum(math.log(ratio) for ratio in ratios.values()) <= TINY:
        return Decision(False, f"It is no better: {values}.")
    return Decision(True, f"It is better: {values}.")
