"""What a restoration starts from and what it results in, without torch."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lexipix.inference.onnx_session import Pixels
from lexipix.inference.result_files import result_sheet
from lexipix.utils.errors import LexipixError

_HOLE = 128  # gray level of holes on a sheet


@dataclass(frozen=True)
class DamagedImages:
    """Images with holes, noise, or both; a LexipixError if nothing is damaged, or nothing is known."""

    images: Pixels  # (N, S, S, C)
    holes: NDArray[np.bool_]  # (N, S, S), true where the content is unknown
    noise: float = 0.0  # standard deviation of Gaussian noise in the known pixels, in levels of 255

    def __post_init__(self) -> None:
        if self.holes.shape != self.images.shape[:3]:
            raise LexipixError(
                f"The masks have the shape {self.holes.shape} and the images {self.images.shape[:3]}: give "
                "each image a mask of its size."
            )
        if self.holes.all(axis=(1, 2)).any():
            raise LexipixError(
                "The mask marks the whole image, so that nothing of it is known: paint black what is to stay."
            )
        if not self.noise and not self.holes.any(axis=(1, 2)).all():
            raise LexipixError(
                "The mask marks no pixel of the image as the model sees it: paint white what is to be filled."
            )

    def filled(self) -> Pixels:
        """The images with each hole in the mean color of the known pixels, (N, S, S, C)."""
        known = ~self.holes[..., None]
        means = self.images.sum((1, 2), where=known) / known.sum((1, 2))
        return np.where(known, self.images, means.round().astype(np.uint8)[:, None, None])


@dataclass(frozen=True)
class RestorationResult:
    """Restored images, and what each came from."""

    damaged: DamagedImages
    texts: Sequence[str]
    drawn: Pixels  # (N, S, S, C), the start: images of the texts alone
    images: Pixels  # (N, S, S, C), restored
    # Root mean squared errors of the known values in levels, (N,): at the start and at the end
    rms_errors: tuple[NDArray[np.float64], NDArray[np.float64]]
    steps: int
    seconds: float

    def summary(self) -> str:
        """What was done to the first image, and how well the text and the result's latent explain it."""
        hole, noise = self.damaged.holes[0], self.damaged.noise
        done = [f"filled {hole.sum():,} of {hole.size:,} pixels"] if hole.any() else []
        done += [f"removed noise of {noise:g} levels"] if noise else []
        start, end = (float(errors[0]) for errors in self.rms_errors)
        return (
            f"{' and '.join(done).capitalize()} in {self.steps} steps ({self.seconds:.1f} s). RMS error in "
            f"the known pixels: {start:.1f} levels from the text alone, {end:.1f} from the optimized latent."
        )

    def trail(self, text_source: str) -> dict[str, Any]:
        """Everything but the images and the time of the first image, JSON-able."""
        start, end = (round(float(errors[0]), 4) for errors in self.rms_errors)
        return {
            "text": self.texts[0],
            "text_source": text_source,
            "filled_pixels": int(self.damaged.holes[0].sum()),
            "noise": self.damaged.noise,
            "steps": self.steps,
            "rms_error": {"start": start, "end": end},
        }

    def files(self, text_source: str) -> dict[str, Any]:
        """File name -> content of the first image: itself, a sheet with what it came from, and its trail."""
        given = self.damaged.images[0].copy()
        given[self.damaged.holes[0]] = (_HOLE, _HOLE, _HOLE, 255)[: given.shape[-1]]
        images, captions = (
            [given, self.drawn[0], self.images[0]],
            ["given", "drawn from the text", "restored"],
        )
        return {
            "restored.png": self.images[0],
            "sheet.png": result_sheet(images, captions, self.texts[0]),
            "restoration.json": self.trail(text_source),
        }
