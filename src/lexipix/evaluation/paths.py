"""The ways from captions to pictures, side by side."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lexipix.config.run import RunParameters
from lexipix.evaluation.round_trips import from_captions, noise_for
from lexipix.evaluation.tokens import by_words
from lexipix.inference.text_to_image_pipeline import TextToImagePipeline
from lexipix.utils.skipped_model import is_skipped
from lexipix.utils.types import ModelBundle, OnnxPipeline

Pixels = NDArray[np.uint8]
# One picture for each caption, uint8 (N, H, W, 3); the n-th caption always gets the n-th noise
Draw = Callable[[Sequence[str]], Pixels]
TEXT_PATHS = ("vae", "gan", "champion", "words")  # in the order in which results list them


class Generators(NamedTuple):
    """The generators under evaluation, each under the name of its catalog entry.

    A node takes these entries as its last arguments, in this order.

    Attributes:
        prior: The text prior with the VAE's decoder.
        gan: The GAN's generator.
        words: The writer of visual words, or what stands for one that was left out.
        champion: The generator that the compression chose.
    """

    prior: ModelBundle
    gan: ModelBundle
    words: ModelBundle
    champion: OnnxPipeline


def text_paths(generators: Generators, run: RunParameters, batch_size: int) -> dict[str, Draw]:
    """The ways from captions to pictures, of :data:`TEXT_PATHS` those that there are.

    Args:
        generators: What draws.
        run: Its seed decides the noise.
        batch_size: Captions at a time.
    """

    def by_champion(captions: Sequence[str]) -> Pixels:
        _, generator = TextToImagePipeline.from_champion(generators.champion).generator()
        return generator.generate(captions, noise_for(len(captions), generator.noise_dim, run).numpy())

    paths: dict[str, Draw] = {
        "vae": partial(from_captions, generators.prior, run=run, batch_size=batch_size),
        "gan": partial(from_captions, generators.gan, run=run, batch_size=batch_size),
        "champion": by_champion,
    }
    if not is_skipped(generators.words):
        paths["words"] = partial(by_words, generators.words, run=run, batch_size=batch_size)
    return paths


def drawn_by_path(vae: Pixels, gan: Pixels, champion: Pixels, words: Pixels) -> dict[str, Pixels]:
    """Pictures drawn from captions, by path; a path without a model has none and is absent."""
    paths = dict(zip(TEXT_PATHS, (vae, gan, champion, words), strict=True))
    return {path: images for path, images in paths.items() if len(images)}
