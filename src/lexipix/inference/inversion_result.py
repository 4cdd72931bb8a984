"""What refinement made of a picture, and how much of it the words still are. Without torch."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from lexipix.config.generation import Fit, Start
from lexipix.inference.generate import enlargement
from lexipix.inference.onnx_models import Pixels
from lexipix.reporting.contact_sheet import contact_sheet

_MAX_ON_SHEET = 9


@dataclass(frozen=True)
class Step:
    """How near a picture came to the given one.

    Attributes:
        step: Counted from 0, the start.
        ssim: Against the given picture; None below 7x7 pixels.
        psnr: Against the given picture, in decibels.
    """

    step: int
    ssim: float | None
    psnr: float


@dataclass(frozen=True)
class InversionResult:
    """The steps from a start to a picture that is nearer to the given one.

    What is fitted knows the given picture itself: none of these pictures but the first is one of the text
    path, and none at all where the start was the encoder's latent.

    Attributes:
        start: ``best``, the best picture of the text path; or ``picture``, the encoder's latent.
        fit: What was fitted: ``latent`` or ``noise``.
        numbers: How many numbers that is.
        model: Whose decoder drew.
        given: uint8 (S, S, 3), the picture that was to be drawn.
        images: uint8 (T, S, S, 3), the start's and one after each step.
        steps: Of each picture.
        target: What was good enough, if anything.
        reached: Whether the last picture is.
        seconds: That the steps took.
    """

    start: Start
    fit: Fit
    numbers: int
    model: str
    given: Pixels
    images: Pixels
    steps: Sequence[Step]
    target: str | None
    reached: bool
    seconds: float

    @property
    def path(self) -> str:
        """Where the last picture comes from."""
        own = "text" if self.start == "best" else "direct"
        return f"{own} + {self.fit}" if len(self.steps) > 1 else own

    def told(self) -> str:
        """A sentence on what of the last picture is words and what is not."""
        first, last = self.steps[0], self.steps[-1]
        if self.start == "best":
            begun = f"The words alone gave {figures(first)}"
        else:
            begun = f"The encoder's {self.numbers} numbers, without a word, gave {figures(first)}"
        if len(self.steps) == 1:
            return f"{begun}; no step was taken."
        steps = f"{len(self.steps) - 1} step{'s' * (len(self.steps) > 2)}"
        fitted = f"{self.numbers} numbers of {self.fit} that {steps} fitted to the picture itself"
        return f"{begun}; with {fitted}, {figures(last)}, which is no figure of the text path."

    def trail(self) -> dict[str, Any]:
        """All of it but the pictures and the time, JSON-able."""
        return {
            "path": self.path,
            "told": self.told(),
            "start": self.start,
            "fit": self.fit,
            "numbers_fitted": self.numbers if len(self.steps) > 1 else 0,
            "model": self.model,
            "target": self.target,
            "reached": self.reached if self.target else None,
            "steps": [asdict(one) for one in self.steps],
        }

    def files(self) -> dict[str, Any]:
        """File name -> content, beside the files of the text path and apart from them."""
        return {"refined.png": self.images[-1], "refined_sheet.png": self._sheet()}

    def _sheet(self) -> Pixels:
        """The given picture, the start and some of the steps: uint8 (height, width, 3)."""
        chosen = np.unique(np.geomspace(1, len(self.steps), _MAX_ON_SHEET).round().astype(int)) - 1
        images = np.concatenate([self.given[None], self.images[chosen]])
        begun = "words alone" if self.start == "best" else "encoder"
        heads = [begun if number == 0 else f"step {number}" for number in chosen]
        captions = ["given"] + [
            f"{head}, {figures(self.steps[number])}" for head, number in zip(heads, chosen, strict=True)
        ]
        title = f"{self.path}, {self.model}"
        return contact_sheet(images, captions, columns=5, scale=enlargement(images.shape[1]), title=title)


def figures(step: Step) -> str:
    """The figures of a step in a line."""
    similarity = f"ssim {step.ssim:.3f}, " if step.ssim is not None else ""
    return f"{similarity}psnr {step.psnr:.1f}"
