"""Prompts to images: the implementation behind ``kedro generate``, the service and the Python API."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import get_args

import numpy as np
from PIL import Image

from lexipix.config.generation import GenerationParameters, Quality
from lexipix.inference.best_of import BestOfConfig, BestOfResult, best_of
from lexipix.inference.onnx_generator import MAX_IN_MEMORY, OnnxGenerator
from lexipix.inference.onnx_scorer import OnnxScorer
from lexipix.inference.onnx_session import Pixels
from lexipix.inference.pretrained import model_folder
from lexipix.inference.prompt_checks import CheckedPrompt, check_prompts
from lexipix.utils.errors import LexipixError
from lexipix.utils.model_files import read_onnx_pipeline
from lexipix.utils.types import BASELINE, SCORER, OnnxModel, OnnxPipeline


@dataclass(frozen=True)
class Limits:
    """What one call may ask for; None is no limit.

    Attributes:
        max_prompts: Prompts.
        max_images: Images, candidates not counted.
    """

    max_prompts: int | None = None
    max_images: int | None = None

    @classmethod
    def of(cls, generation: GenerationParameters) -> "Limits":
        """The limits that the parameters set."""
        return cls(generation.max_prompts, generation.max_pictures)


NO_LIMITS = Limits()


@dataclass(frozen=True)
class TextToImageOutput:
    """Images of prompts; those of one prompt follow each other.

    Attributes:
        pixels: uint8 (N, S, S, 3).
        prompts: Prompt of each image.
        seeds: Seed of each image.
        indices: Which image of its prompt each is, counted from 0. Prompt, seed and index decide an image.
        scores: Cosine between image and prompt, 1 at best; None without a scorer.
        model: Family and variant of the generator.
        warnings: What the model will probably not draw well in each image, or an empty text.
    """

    pixels: Pixels
    prompts: list[str]
    seeds: list[int]
    indices: list[int]
    scores: list[float | None]
    model: str
    warnings: list[str]

    @cached_property
    def images(self) -> list[Image.Image]:
        """The images as PIL images."""
        return [Image.fromarray(image) for image in self.pixels]


@dataclass(frozen=True)
class ImageRequest:
    """Checked prompts and everything that decides their images. Nothing is drawn yet.

    Image i of a prompt depends only on the model, the prompt, the seed, i and ``best_of``: not on
    ``num_images``, the other prompts or the number of cores.

    Attributes:
        generator: Draws the images.
        scorer: Scores images against their prompts; None leaves the scores open.
        prompts: The prompts, with warnings.
        num_images: Images of each prompt.
        seed: Of the noise.
        best_of: Candidates of each image; more than one need a scorer.
        model: Name of the generator: the family, and the variant if it is compressed.
    """

    generator: OnnxGenerator
    scorer: OnnxScorer | None
    prompts: Sequence[CheckedPrompt]
    num_images: int
    seed: int
    best_of: BestOfConfig
    model: str

    def __len__(self) -> int:
        return len(self.prompts) * self.num_images

    @property
    def warnings(self) -> list[str]:
        """What the model will probably not draw well, a sentence each."""
        return [warning for prompt in self.prompts for warning in prompt.warnings]

    def prompt(self, number: int) -> str:
        """The prompt of image ``number``."""
        return self.prompts[number // self.num_images].text

    def batches(self) -> Iterator[BestOfResult]:
        """Draw the images, at most ``MAX_IN_MEMORY`` at a time; the next batch is drawn in the background."""
        with ThreadPoolExecutor(1) as background:
            pending = background.submit(self._batch, 0)
            for start in range(0, len(self), MAX_IN_MEMORY):
                batch = pending.result()
                if start + MAX_IN_MEMORY < len(self):
                    pending = background.submit(self._batch, start + MAX_IN_MEMORY)
                yield batch

    def _batch(self, start: int) -> BestOfResult:
        numbers = np.arange(start, min(start + MAX_IN_MEMORY, len(self)))
        prompts = [self.prompt(number) for number in numbers.tolist()]
        indices = numbers % self.num_images
        return best_of(self.generator, self.scorer, prompts, indices, self.seed, self.best_of)


class TextToImagePipeline:
    """Draws images of prompts with a trained and exported generator. It needs no torch.

    Args:
        family: Name of the generator: ``vae``, ``gan`` or ``tokens``.
        variants: Quality -> variant of the generator.
        load: Variant -> generator; called once for each variant that is used.
        load_scorer: Gives the scorer, or None where there is none.
        limits: What one call may ask for.

    Example:
        >>> pipe = TextToImagePipeline.from_pretrained("data/06_models/champion")
        >>> images = pipe("a big red circle at the left on white", num_images=4, seed=7).images
    """

    def __init__(
        self,
        family: str,
        variants: Mapping[str, str],
        load: Callable[[str], OnnxGenerator],
        load_scorer: Callable[[], OnnxScorer | None],
        limits: Limits = NO_LIMITS,
    ) -> None:
        self.family, self.variants, self.limits = family, dict(variants), limits
        self._load, self._load_scorer = cache(load), cache(load_scorer)

    @classmethod
    def from_pretrained(cls, source: str | Path, limits: Limits = NO_LIMITS) -> "TextToImagePipeline":
        """Load the champion that ``kedro run`` chose.

        Args:
            source: Its folder, such as ``data/06_models/champion``, or the URI of a registered model, such as
                ``models:/lexipix-generator@champion``.
            limits: What one call may ask for.

        Raises:
            LexipixError: There is no model, or it is damaged.
        """
        return cls.from_champion(read_onnx_pipeline(model_folder(source)), limits)

    @classmethod
    def from_champion(cls, champion: OnnxPipeline, limits: Limits = NO_LIMITS) -> "TextToImagePipeline":
        """Use a champion that is read already."""
        if "qualities" not in champion.config:
            raise LexipixError(
                "The model's config.json lists no variants for the qualities fast, balanced and best: run "
                "`kedro run --pipelines compression` again."
            )

        def model(name: str) -> OnnxModel:
            if name not in champion.models:
                raise LexipixError(
                    f"The champion lacks its part {name}: run `kedro run --pipelines compression` again."
                )
            return champion.models[name]

        return cls(
            champion.config["family"],
            champion.config["qualities"],
            lambda variant: OnnxGenerator(model(variant)),
            lambda: OnnxScorer(model(SCORER)),
            limits,
        )

    @classmethod
    def from_generator(
        cls,
        family: str,
        generator: OnnxGenerator,
        load_scorer: Callable[[], OnnxScorer | None] = lambda: None,
        limits: Limits = NO_LIMITS,
    ) -> "TextToImagePipeline":
        """Use one uncompressed generator for every quality."""
        qualities = dict.fromkeys(get_args(Quality), BASELINE)
        return cls(family, qualities, lambda variant: generator, load_scorer, limits)

    def __call__(
        self,
        prompts: str | Sequence[str],
        num_images: int = 1,
        seed: int = 0,
        quality: str = "balanced",
        candidates: int = 1,
        until: str | None = None,
        score: bool = True,
    ) -> TextToImageOutput:
        """Draw images of prompts. The same arguments give the same bytes.

        Args:
            prompts: One prompt or several.
            num_images: Images of each prompt.
            seed: Of the noise.
            quality: ``fast``, ``balanced`` (the fastest variant as good as the uncompressed one) or ``best``
                (uncompressed). The same seed gives the same composition in each.
            candidates: Candidates for each image, of which the scorer keeps the best.
            until: Score such as ``score=0.9`` that ends the search among candidates.
            score: Whether to score images; without it drawing is faster.

        Raises:
            LexipixError: A prompt cannot be drawn, or an argument is out of range.
        """
        request = self.request(prompts, num_images, seed, quality, candidates, until, score)
        batches = list(request.batches())
        scores = np.concatenate([batch.scores for batch in batches])
        return TextToImageOutput(
            pixels=np.concatenate([batch.images for batch in batches]),
            prompts=[request.prompt(number) for number in range(len(request))],
            seeds=[seed] * len(request),
            indices=[number % num_images for number in range(len(request))],
            scores=[None if np.isnan(value) else float(value) for value in scores],
            model=request.model,
            warnings=[" ".join(prompt.warnings) for prompt in request.prompts for _ in range(num_images)],
        )

    def request(
        self,
        prompts: str | Sequence[str],
        num_images: int = 1,
        seed: int = 0,
        quality: str = "balanced",
        candidates: int = 1,
        until: str | None = None,
        score: bool = True,
        places: Sequence[str] = (),
    ) -> ImageRequest:
        """Check prompts and arguments, and draw nothing yet; for long lists, whose images do not fit memory.

        The arguments are those of a call; ``places`` says where each prompt comes from, and an error about a
        prompt starts with its place.

        Raises:
            LexipixError: A prompt cannot be drawn, or an argument is out of range.
        """
        prompts = [prompts] if isinstance(prompts, str) else list(prompts)
        best_of = BestOfConfig.parse(candidates, until, score)
        if num_images < 1:
            raise LexipixError(f"num_images is {num_images}: it must be 1 or more.")
        self._check_limits(len(prompts), num_images)
        model, generator = self.generator(quality)
        checked = check_prompts(prompts, generator, places)
        scorer = self.scorer if score else None
        if scorer is None and candidates > 1:
            raise LexipixError(f"This model has no scorer, which candidates = {candidates} needs: draw one.")
        return ImageRequest(generator, scorer, checked, num_images, seed, best_of, model)

    def generator(self, quality: str = "balanced") -> tuple[str, OnnxGenerator]:
        """Name and generator of a quality.

        Raises:
            LexipixError: There is no such quality, or the model is damaged.
        """
        if quality not in self.variants:
            raise LexipixError(f'quality is "{quality}": choose from {", ".join(self.variants)}.')
        variant = self.variants[quality]
        return self.family if variant == BASELINE else f"{self.family} {variant}", self._load(variant)

    @property
    def scorer(self) -> OnnxScorer | None:
        """What scores images against prompts, if the model has it."""
        return self._load_scorer()

    def _check_limits(self, n_prompts: int, num_images: int) -> None:
        if n_prompts < 1:
            raise LexipixError("There is no prompt: name at least one.")
        max_prompts, max_images = self.limits.max_prompts, self.limits.max_images
        if max_prompts is not None and n_prompts > max_prompts:
            raise LexipixError(
                f"There are {n_prompts:,} prompts, more than generation.max_prompts = {max_prompts:,}: draw "
                "fewer at a time, or raise the parameter."
            )
        if max_images is not None and n_prompts * num_images > max_images:
            raise LexipixError(
                f"{n_prompts:,} prompts with {num_images:,} images each are {n_prompts * num_images:,} "
                f"images, more than generation.max_pictures = {max_images:,}: draw fewer at a time, or raise "
                "the parameter."
            )
