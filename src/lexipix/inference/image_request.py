"""What a request for images consists of: checked prompts, and how their images are drawn."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from lexipix.config.generation import GenerationParameters
from lexipix.inference.best_of import BestOfResult, best_of
from lexipix.inference.onnx_generator import MAX_IN_MEMORY, OnnxGenerator
from lexipix.inference.onnx_scorer import OnnxScorer
from lexipix.inference.prompt_checks import CheckedPrompt
from lexipix.inference.targets import parse_target
from lexipix.utils.errors import LexipixError


@dataclass(frozen=True)
class ImageOptions:
    """How images of prompts are drawn, and how many one request may ask for.

    The quality is ``fast``, ``balanced`` (the fastest variant as good as the uncompressed one) or ``best``
    (uncompressed). The same seed gives the same composition in each. A value that is out of range, or does
    not fit the others, is a LexipixError.
    """

    num_images: int = 1  # of each prompt
    seed: int = 0
    quality: str = "balanced"
    candidates: int = 1  # for each image, of which the scorer keeps the best
    until: str | None = None  # score such as "score=0.9" that ends the search among candidates
    score: bool = True  # without scores drawing is faster
    max_prompts: float = math.inf
    max_images: float = math.inf  # candidates not counted

    @classmethod
    def of(cls, generation: GenerationParameters, run_seed: int, score: bool = True) -> "ImageOptions":
        """The options that the parameters set."""
        return cls(
            generation.n,
            run_seed if generation.seed is None else generation.seed,
            generation.quality,
            generation.candidates,
            generation.until,
            score,
            generation.max_prompts,
            generation.max_images,
        )

    def __post_init__(self) -> None:
        for name in ("num_images", "candidates"):
            if getattr(self, name) < 1:
                raise LexipixError(f"{name} is {getattr(self, name)}: it must be 1 or more.")
        if self.until is not None and parse_target(self.until).metric != "score":
            raise LexipixError(
                f"The target {self.until} needs an image to compare with, and here there is only a prompt: "
                "write score=0.9."
            )
        if self.candidates > 1 and not self.score:
            raise LexipixError(
                f"Choosing the best of {self.candidates} candidates needs their scores: remove --no-score, "
                "or draw one candidate (--candidates 1)."
            )

    def check_number(self, n_prompts: int) -> None:
        """Check how many images a request asks for; a LexipixError if none, or more than a limit."""
        if n_prompts < 1:
            raise LexipixError("There is no prompt: name at least one.")
        if n_prompts > self.max_prompts:
            raise LexipixError(
                f"There are {n_prompts:,} prompts, more than generation.max_prompts = {self.max_prompts:,}: "
                "draw fewer at a time, or raise the parameter."
            )
        n_images = n_prompts * self.num_images
        if n_images > self.max_images:
            raise LexipixError(
                f"{n_prompts:,} prompts with {self.num_images:,} images each are {n_images:,} images, more "
                f"than generation.max_images = {self.max_images:,}: draw fewer at a time, or raise the "
                "parameter."
            )


@dataclass(frozen=True)
class ImageRequest:
    """Checked prompts and everything that decides their images. Nothing is drawn yet.

    Image i of a prompt depends only on the model, the prompt, the seed, i and the candidates: not on the
    number of images, the other prompts or the number of cores. Without a scorer images have no scores.
    ``model`` is the name of the generator: the family, and the variant if it is compressed.
    """

    generator: OnnxGenerator
    scorer: OnnxScorer | None
    prompts: Sequence[CheckedPrompt]
    options: ImageOptions
    model: str

    def __len__(self) -> int:
        return len(self.prompts) * self.options.num_images

    @property
    def warnings(self) -> list[str]:
        """What the model will probably not draw well, a sentence each."""
        return [prompt.warning for prompt in self.prompts if prompt.warning]

    def prompt(self, number: int) -> str:
        """The prompt of image ``number``."""
        return self.prompts[number // self.options.num_images].text

    def batches(self, start: int = 0, stop: int | None = None) -> Iterator[BestOfResult]:
        """Draw images, all or those of some numbers, with at most ``MAX_IN_MEMORY`` candidates at a time."""
        options, block = self.options, max(1, MAX_IN_MEMORY // self.options.candidates)
        stop = len(self) if stop is None else stop
        for first in range(start, stop, block):
            numbers = np.arange(first, min(first + block, stop))
            yield best_of(
                self.generator,
                self.scorer,
                [self.prompt(number) for number in numbers.tolist()],
                numbers % options.num_images,
                options.seed,
                options.candidates,
                parse_target(options.until).value if options.until is not None else None,
            )
