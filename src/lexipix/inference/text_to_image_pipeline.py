"""Prompts to images: the implementation behind ``kedro generate``, the service and the Python API."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from importlib import import_module
from pathlib import Path
from typing import get_args

import numpy as np
from PIL import Image

from lexipix.config.generation import Quality
from lexipix.inference.exported_config import ChampionConfig, checked
from lexipix.inference.image_request import ImageOptions, ImageRequest
from lexipix.inference.onnx_generator import OnnxGenerator, sample_noise
from lexipix.inference.onnx_scorer import OnnxScorer
from lexipix.inference.onnx_session import Pixels
from lexipix.inference.pretrained import model_folder
from lexipix.inference.prompt_checks import UnknownWord, check_prompts, unknown_words
from lexipix.utils.alpha import straight
from lexipix.utils.errors import LexipixError
from lexipix.utils.model_files import holds_networks, read_onnx_pipeline
from lexipix.utils.types import BASELINE, SCORER, OnnxPipeline


@dataclass(frozen=True)
class TextToImageOutput:
    """Images of prompts; those of one prompt follow each other. Prompt, seed and index decide an image."""

    pixels: Pixels  # (N, S, S, 3), or (N, S, S, 4) with premultiplied colors
    prompts: list[str]
    seeds: list[int]
    indices: list[int]  # which image of its prompt each is, counted from 0
    scores: list[float | None]  # cosine between image and prompt, 1 at best; None without scoring
    model: str  # family and variant of the generator
    warnings: list[str]  # what the model will probably not draw well in each image, or an empty text

    @cached_property
    def images(self) -> list[Image.Image]:
        """The images as PIL images."""
        return [Image.fromarray(straight(image)) for image in self.pixels]


class TextToImagePipeline:
    """Draws images of prompts with a trained generator. Exported graphs need no torch, safetensors do.

    Args:
        family: ``vae``, ``gan`` or ``tokens``.
        variants: Quality -> variant of the generator.
        load: Variant -> generator; called once for each variant that is used.
        load_scorer: Called when images are scored.

    Example:
        >>> pipe = TextToImagePipeline.from_pretrained("data/06_models/champion")
        >>> images = pipe("a big red circle at the left on white", num_images=4, seed=7).images
    """

    def __init__(
        self,
        family: str,
        variants: Mapping[str, str],
        load: Callable[[str], OnnxGenerator],
        load_scorer: Callable[[], OnnxScorer],
    ) -> None:
        self.family, self.variants = family, dict(variants)
        self._load, self._load_scorer = cache(load), cache(load_scorer)

    @classmethod
    def from_pretrained(cls, source: str | Path) -> "TextToImagePipeline":
        """Load a champion of ``kedro run`` or ``kedro export``; ``source`` as for :func:`.model_folder`."""
        folder = model_folder(source)
        if holds_networks(folder):
            # By name: exported graphs need no torch, and code that uses them does not depend on it
            pipeline: TextToImagePipeline = import_module("lexipix.inference.torch_pipeline").load(folder)
            return pipeline
        return cls.from_champion(read_onnx_pipeline(folder))

    @classmethod
    def from_champion(cls, champion: OnnxPipeline) -> "TextToImagePipeline":
        """Use a champion that is read already."""
        config, models = checked(ChampionConfig, champion.config), champion.models
        if missing := {*config.qualities.values(), SCORER} - set(models):  # reads none of them
            raise LexipixError(
                f"The champion lacks the folder {sorted(missing)[0]}: run "
                "`kedro run --pipelines compression` again."
            )
        return cls(
            config.family,
            {str(quality): variant for quality, variant in config.qualities.items()},
            lambda variant: OnnxGenerator(models[variant], config.nearest_words),
            lambda: OnnxScorer(models[SCORER]),
        )

    @classmethod
    def from_generator(
        cls, family: str, generator: OnnxGenerator, load_scorer: Callable[[], OnnxScorer]
    ) -> "TextToImagePipeline":
        """Use one uncompressed generator for every quality."""
        qualities = dict.fromkeys(get_args(Quality), BASELINE)
        return cls(family, qualities, lambda variant: generator, load_scorer)

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
        """Draw images of one prompt or several. The same arguments give the same bytes.

        The arguments after ``prompts`` are those of :class:`ImageOptions`.

        Raises:
            LexipixError: A prompt cannot be drawn, or an argument is out of range.
        """
        options = ImageOptions(num_images, seed, quality, candidates, until, score)
        request = self.request([prompts] if isinstance(prompts, str) else prompts, options)
        batches = list(request.batches())
        scores = np.concatenate([batch.scores for batch in batches])
        return TextToImageOutput(
            pixels=np.concatenate([batch.images for batch in batches]),
            prompts=[request.prompt(number) for number in range(len(request))],
            seeds=[seed] * len(request),
            indices=[number % num_images for number in range(len(request))],
            scores=[None if np.isnan(value) else float(value) for value in scores],
            model=request.model,
            warnings=[prompt.warning for prompt in request.prompts for _ in range(num_images)],
        )

    def request(
        self, prompts: Sequence[str], options: ImageOptions, places: Sequence[str] = ()
    ) -> ImageRequest:
        """Check prompts, and draw nothing yet; for long lists, whose images do not fit memory.

        A LexipixError about a prompt starts with its place, if ``places`` are given.
        """
        options.check_number(len(prompts))
        model, generator = self.generator(options.quality)
        checked = check_prompts(prompts, generator, places)
        return ImageRequest(generator, self.scorer if options.score else None, checked, options, model)

    def generator(self, quality: str = "balanced") -> tuple[str, OnnxGenerator]:
        """Name and generator of a quality; a LexipixError if there is none, or the model is damaged."""
        if quality not in self.variants:
            raise LexipixError(f'quality is "{quality}": choose from {", ".join(self.variants)}.')
        variant = self.variants[quality]
        return self.family if variant == BASELINE else f"{self.family} {variant}", self._load(variant)

    def interpolate(
        self, start: str, end: str, num_images: int = 31, seed: int = 0, quality: str = "balanced"
    ) -> Pixels:
        """Images from one prompt to another in equal steps, uint8 (num_images, S, S, C), at least two.

        They share their noise. The first and the last are the first images of the prompts with the seed.
        Colors of four channels are premultiplied.

        Raises:
            LexipixError: A prompt cannot be drawn, an argument is out of range, or the model has no exported
                form (image tokens).
        """
        if num_images < 2:
            raise LexipixError(f"num_images is {num_images}: it must be 2 or more, with both ends.")
        model, generator = self.generator(quality)
        if not generator.graphs:
            raise LexipixError(f"There is nothing between two prompts for the model {model}: choose another.")
        first, last = check_prompts([start, end], generator)
        shares = np.linspace(0, 1, num_images, dtype=np.float32)
        return generator.interpolate(
            first.text, last.text, shares, sample_noise(seed, 0, generator.noise_dim)
        )

    def unknown_words(self, prompt: str, quality: str = "balanced") -> list[UnknownWord]:
        """The words of a prompt that no caption of the training has, each with the nearest ones that do."""
        return unknown_words(prompt, self.generator(quality)[1])

    @property
    def scorer(self) -> OnnxScorer:
        """What scores images against prompts."""
        return self._load_scorer()
