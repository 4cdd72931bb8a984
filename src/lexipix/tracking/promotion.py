"""Whether a new model takes the place of the one in use: a rule of figures, which knows no registry."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

TINY = 1e-9  # differences below it come of adding in another order


@dataclass(frozen=True)
class Measured:
    """A model as the rule sees it.

    Attributes:
        data: Digest of the pictures it was trained and measured on.
        figures: What was measured on their test split.
    """

    data: str
    figures: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Decision:
    """Whether the challenger becomes the champion, and why, in a sentence."""

    promoted: bool
    reason: str


def decide(
    challenger: Measured, champion: Measured | None, gated: Sequence[str], max_loss: float
) -> Decision:
    """Let a challenger take the champion's place where it is better on the same data.

    It is better where the product of the gated figures is higher and none of them loses more than the gate
    allows: of two figures one may give way a little when the other wins more, and no two models can replace
    each other in turns. Models of other data were measured on other pictures, so that their figures say
    nothing about each other: then a person decides.

    Args:
        challenger: The new model.
        champion: The one in use; None where there is none yet.
        gated: Names of the figures that count, each better the higher it is; those that only one has do not.
        max_loss: Share of a figure that may be lost.
    """
    if champion is None:
        return Decision(True, "It is the first champion.")
    if challenger.data != champion.data:
        return Decision(
            False,
            "Its data are not the champion's, so that their figures do not compare: to use it, set the alias "
            "champion by hand.",
        )
    ratios = {
        name: challenger.figures[name] / champion.figures[name]
        for name in gated
        if name in challenger.figures and champion.figures.get(name, 0.0) > 0
    }
    if not ratios:
        return Decision(False, f"Neither {' nor '.join(gated)} was measured of both models.")
    said = ", ".join(
        f"{name} {challenger.figures[name]:.4f} after {champion.figures[name]:.4f}" for name in ratios
    )
    worst = min(ratios, key=lambda name: ratios[name])
    if ratios[worst] < 1 - max_loss - TINY:
        return Decision(False, f"It loses more than {max_loss:.1%} of {worst} ({said}).")
    if sum(math.log(ratio) for ratio in ratios.values()) <= TINY:
        return Decision(False, f"It is no better ({said}).")
    return Decision(True, f"It is better ({said}).")
