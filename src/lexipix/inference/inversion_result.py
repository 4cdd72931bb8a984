"""The result of an inversion, and how much of it comes from the text. It needs no torch."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from lexipix.config.generation import Init, Optimize
from lexipix.inference.onnx_session import Pixels
from lexipix.inference.result_files import enlargement
from lexipix.reporting.contact_sheet import contact_sheet

_MAX_ON_SHEET = 9


@dataclass(frozen=True)
class Step:
    """How close an image came to the given one.

    Attributes:
        step: Counted from 0, the start.
        ssim: To the given image; None below 7x7 pixels.
        psnr: To the given image, in decibels.
    """

    step: int
    ssim: float | None
    psnr: float

    def __str__(self) -> str:
        return describe_metrics(self.ssim, self.psnr)


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
        target: What was good enough, if anything.
        reached: Whether the last image is.
        seconds: Time of the optimisation.
    """

    init: Init
    optimize: Optimize
    num_values: int
    model: str
    given: Pixels
    images: Pixels
    steps: Sequence[Step]
    target: str | None
    reached: bool
    seconds: float

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
            "target": self.target,
            "reached": self.reached if self.target else None,
            "steps": [asdict(step) for step in self.steps],
        }

    def files(self) -> dict[str, Any]:
        """File name -> content, to stand beside the files of the text path."""
        return {"optimized.png": self.images[-1], "optimized_sheet.png": self._contact_sheet()}

    def _contact_sheet(self) -> Pixels:
        """The given image, the start and some of the steps: uint8 (height, width, 3)."""
        chosen = np.unique(np.geomspace(1, len(self.steps), _MAX_ON_SHEET).round().astype(int)) - 1
        images = np.concatenate([self.given[None], self.images[chosen]])
        start = "text alone" if self.init == "best" else "encoder"
        captions = ["given"]
        captions += [f"{f'step {number}' if number else start}, {self.steps[number]}" for number in chosen]
        title = f"{self.path}, {self.model}"
        return contact_sheet(images, captions, columns=5, scale=enlargement(images.shape[1]), title=title)


def describe_metrics(ssim: float | None, psnr: float) -> str:
    """SSIM, if there is one, and PSNR in a line."""
    similarity = f"ssim {ssim:.3f}, " if ssim is not None else ""
    return f"{similarity}psnr {psnr:.1f}"
