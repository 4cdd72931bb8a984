"""The result of an inversion, and how much of it comes from the text. It needs no torch."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from lexipix.config.generation import Init, Optimize
from lexipix.inference.closeness import Closeness
from lexipix.inference.onnx_session import Pixels
from lexipix.inference.result_files import result_sheet
from lexipix.inference.targets import Target

_MAX_ON_SHEET = 9


@dataclass(frozen=True)
class Step(Closeness):
    """How close a step came to the given image; step 0 is the start."""

    step: int
    ssim: float | None
    psnr: float


@dataclass(frozen=True)
class InversionResult:
    """The images from a start to one that is closer to the given image.

    The optimisation sees the given image itself. So only the first image belongs to the text path, and none
    does if the start was the encoder's latent.

    Attributes:
        init: ``best``, the best image of the text path; or ``picture``, the encoder's latent.
        optimize: What was optimised: ``latent`` or ``noise``.
        num_values: How many numbers that is.
        model: Whose decoder drew the images.
        given: uint8 (S, S, 3), the given image.
        images: uint8 (T, S, S, 3), the start's and one after each step.
        steps: Of each image.
        target: What was good enough, if anything: a value of SSIM or PSNR.
        seconds: Time of the optimisation.
    """

    init: Init
    optimize: Optimize
    num_values: int
    model: str
    given: Pixels
    images: Pixels
    steps: Sequence[Step]
    target: Target | None
    seconds: float

    @property
    def reached(self) -> bool:
        """Whether the last image is good enough."""
        return self.steps[-1].reaches(self.target)

    @property
    def path(self) -> str:
        """Where the last image comes from."""
        own = "text" if self.init == "best" else "direct"
        return f"{own} + {self.optimize}" if len(self.steps) > 1 else own

    def summary(self) -> str:
        """A sentence on what the text gave and what the optimisation added."""
        first, last = self.steps[0], self.steps[-1]
        if self.init == "best":
            start = f"The text alone gave {first}"
        else:
            start = f"The encoder's {self.num_values} numbers, without any text, gave {first}"
        if len(self.steps) == 1:
            return f"{start}; no step was taken."
        n_steps = len(self.steps) - 1
        steps = f"{n_steps} step{'s' * (n_steps > 1)}"
        return (
            f"{start}; after {steps} on {self.num_values} numbers of {self.optimize}, which see the image "
            f"itself, {last}. This is no result of the text path."
        )

    def trail(self) -> dict[str, Any]:
        """Everything but the images and the time, JSON-able."""
        return {
            "path": self.path,
            "summary": self.summary(),
            "init": self.init,
            "optimize": self.optimize,
            "num_values": self.num_values if len(self.steps) > 1 else 0,
            "model": self.model,
            "target": str(self.target) if self.target else None,
            "reached": self.reached if self.target else None,
            "steps": [asdict(step) for step in self.steps],
        }

    def files(self) -> dict[str, Any]:
        """File name -> content, to stand beside the files of the text path."""
        chosen = np.unique(np.geomspace(1, len(self.steps), _MAX_ON_SHEET).round().astype(int)) - 1
        start = "text alone" if self.init == "best" else "encoder"
        captions = [f"{f'step {number}' if number else start}, {self.steps[number]}" for number in chosen]
        images, title = [self.given, *self.images[chosen]], f"{self.path}, {self.model}"
        sheet = result_sheet(images, ["given", *captions], title)
        return {"optimized.png": self.images[-1], "optimized_sheet.png": sheet}
