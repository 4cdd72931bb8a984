"""Results of a redrawing, without torch: attempts from a text, and the inversion towards the given image."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from lexipix.config.generation import Init, Optimize
from lexipix.inference.onnx_session import Pixels
from lexipix.inference.result_files import result_sheet
from lexipix.inference.targets import Target
from lexipix.metrics.images import WINDOW, psnr, ssim

_MAX_ATTEMPTS, _MAX_STEPS = 63, 9  # on a contact sheet


class Closeness:
    """How close an image came to the given one: SSIM (None below 7x7 pixels), and PSNR in decibels."""

    ssim: float | None
    psnr: float

    def __str__(self) -> str:
        similarity = f"ssim {self.ssim:.3f}, " if self.ssim is not None else ""
        return f"{similarity}psnr {self.psnr:.1f}"

    def value(self, metric: str) -> float:
        """The value of a metric; minus infinity where it was not measured."""
        value = getattr(self, metric)
        return float("-inf") if value is None else float(value)

    def reaches(self, target: Target | None) -> bool:
        """Whether the image is good enough; False without a target."""
        return target is not None and self.value(target.metric) >= target.value


def measure_closeness(image: Pixels, given: Pixels) -> tuple[float | None, float]:
    """SSIM, unless the images are below 7x7 pixels, and PSNR of two images, uint8 (S, S, 3)."""
    large = min(given.shape[:2]) >= WINDOW
    similarity = float(ssim(image[None], given[None])[0]) if large else None
    return similarity, float(psnr(image[None], given[None])[0])


@dataclass(frozen=True)
class Attempt(Closeness):
    """One image that was drawn, and how close it came to the given one."""

    number: int  # counted from 1, as is the round
    round: int
    model: str
    text: str
    seed: int
    index: int  # which noise under the seed
    image_score: float  # cosine between the two images in the scorer's space
    text_score: float  # cosine between the new image and its prompt
    score: float  # the mean of the two
    ssim: float | None
    psnr: float

    def __str__(self) -> str:
        return f"score {self.score:.3f}, {super().__str__()}"


@dataclass(frozen=True)
class Step(Closeness):
    """How close a step came to the given image; step 0 is the start."""

    step: int
    ssim: float | None
    psnr: float


@dataclass(frozen=True)
class InversionResult:
    """The images from a start to one that is closer to the given image.

    The optimization sees the given image itself. So only the first image belongs to the text path, and none
    does if the start was the encoder's latent.
    """

    init: Init
    optimize: Optimize
    num_values: int  # that were optimized
    model: str  # whose decoder drew the images
    images: Pixels  # (T, S, S, 3), the start's and one after each step
    steps: Sequence[Step]  # of each image
    target: Target | None  # what was good enough: a value of SSIM or PSNR
    seconds: float  # of the optimization

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
        """A sentence on what the text gave and what the optimization added."""
        first, last = self.steps[0], self.steps[-1]
        if self.init == "best":
            start = f"The text alone gave {first}"
        else:
            start = f"The encoder's {self.num_values} numbers, without any text, gave {first}"
        n_steps = len(self.steps) - 1
        if not n_steps:
            return f"{start}; no step was taken."
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

    def files(self, given: Pixels) -> dict[str, Any]:
        """File name -> content, to stand beside the files of the text path."""
        chosen = np.unique(np.geomspace(1, len(self.steps), _MAX_STEPS).round().astype(int)) - 1
        start = "text alone" if self.init == "best" else "encoder"
        captions = [f"{f'step {number}' if number else start}, {self.steps[number]}" for number in chosen]
        images, title = [given, *self.images[chosen]], f"{self.path}, {self.model}"
        sheet = result_sheet(images, ["given", *captions], title)
        return {"optimized.png": self.images[-1], "optimized_sheet.png": sheet}


@dataclass(frozen=True)
class RedrawResult:
    """All attempts at an image. The inversion is none, since it does not come from a prompt alone."""

    given: Pixels  # (S, S, 3), the image that was to be drawn again
    text_source: str  # where the first prompt comes from: "given", "captioner", or a file's name
    images: Pixels  # (T, S, S, 3), one for each attempt
    attempts: list[Attempt]
    best: int  # index of the best attempt
    target: Target | None  # what was good enough, if anything
    inversion: InversionResult | None = None

    @property
    def reached(self) -> bool:
        """Whether the best attempt is good enough."""
        return self.attempts[self.best].reaches(self.target)

    def trail(self) -> dict[str, Any]:
        """Everything but the images, JSON-able."""
        best = self.attempts[self.best]
        return {
            "path": "text",
            "text": best.text,
            "text_source": self.text_source,
            "model": best.model,
            "target": str(self.target) if self.target else None,
            "reached": self.reached if self.target else None,
            "best": best.number,
            "attempts": [asdict(attempt) for attempt in self.attempts],
            **({"optimized": self.inversion.trail()} if self.inversion else {}),
        }

    def files(self) -> dict[str, Any]:
        """File name -> content, as a folder of results holds them; the sheet marks the best attempt."""
        best = self.attempts[self.best]
        shown = self.attempts[:_MAX_ATTEMPTS]
        if best not in shown:
            shown = [*shown[:-1], best]
        images = [self.given, *(self.images[attempt.number - 1] for attempt in shown)]
        captions = ["given"]
        for attempt in shown:
            mark = "BEST, " if attempt is best else ""
            captions.append(f"{attempt.number}: {mark}{attempt.model}, {attempt}")
        return {
            "best.png": self.images[self.best],
            "sheet.png": result_sheet(images, captions, best.text),
            "trail.json": self.trail(),
            **(self.inversion.files(self.given) if self.inversion else {}),
        }
