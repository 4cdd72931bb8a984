"""The text paths: images from captions, by each generator under evaluation."""

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from functools import partial
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lexipix.config.run import RunParameters
from lexipix.data.images import to_uint8
from lexipix.inference.text_to_image_pipeline import TextToImagePipeline
from lexipix.models.conditional_generator import ConditionalGenerator
from lexipix.models.retrieval_to_image import RetrievalToImage
from lexipix.models.text_to_image import TextToImage
from lexipix.models.tokens_to_image import TokensToImage
from lexipix.training.bundles import load_network, token_ids
from lexipix.training.precision import Precision, resolve_device
from lexipix.utils.skipped_model import is_skipped
from lexipix.utils.types import ModelBundle, OnnxPipeline

Pixels = NDArray[np.uint8]
TEXT_MODELS: tuple[type[ConditionalGenerator], ...] = (TextToImage, RetrievalToImage, TokensToImage)
# One image for each caption, uint8 (N, H, W, 3); the n-th caption always gets the n-th noise
DrawCaptions = Callable[[Sequence[str]], Pixels]
TEXT_PATHS = ("vae", "gan", "champion", "tokens")  # in the order in which results list them


class Generators(NamedTuple):
    """The generators under evaluation, under the names and in the order of a node's last inputs."""

    prior: ModelBundle  # the text prior with the VAE's decoder
    gan: ModelBundle
    tokens: ModelBundle  # may be skipped
    champion: OnnxPipeline


def text_paths(generators: Generators, run: RunParameters, batch_size: int) -> dict[str, DrawCaptions]:
    """Returns a function from captions to images for each of :data:`TEXT_PATHS` that has a model."""

    def draw_with_champion(captions: Sequence[str]) -> Pixels:
        _, generator = TextToImagePipeline.from_champion(generators.champion).generator()
        return generator.generate(captions, noise_for(len(captions), generator.noise_dim, run).numpy())

    bundles = {"vae": generators.prior, "gan": generators.gan, "tokens": generators.tokens}
    paths: dict[str, DrawCaptions] = {
        path: partial(draw_captions, bundle, run=run, batch_size=batch_size)
        for path, bundle in bundles.items()
        if not is_skipped(bundle)
    }
    paths["champion"] = draw_with_champion
    return {path: paths[path] for path in TEXT_PATHS if path in paths}


def images_by_path(images: Sequence[Pixels]) -> dict[str, Pixels]:
    """Returns the images of :data:`TEXT_PATHS`, given in that order, by path; empty ones are absent."""
    return {path: drawn for path, drawn in zip(TEXT_PATHS, images, strict=True) if len(drawn)}


def draw_captions(
    bundle: ModelBundle, captions: Sequence[str], run: RunParameters, batch_size: int
) -> Pixels:
    """Draws one image for each caption with one of :data:`TEXT_MODELS`: uint8 (N, H, W, 3).

    A ``tokens_to_image`` draws in the precision of its training. The batch size changes rounding only.
    """
    device = resolve_device(run)
    model = load_network(bundle, *TEXT_MODELS).to(device)
    ids = token_ids(bundle, captions)
    noise = noise_for(len(ids), model.noise_dim, run)
    by_tokens = isinstance(model, TokensToImage)
    images = []
    with torch.inference_mode(), trained_precision(bundle, run).autocast() if by_tokens else nullcontext():
        for batch_ids, batch_noise in zip(ids.split(batch_size), noise.split(batch_size), strict=True):
            images.append(to_uint8(model(batch_ids.to(device), batch_noise.to(device))))
    return np.concatenate(images)


def noise_for(n_captions: int, noise_dim: int, run: RunParameters) -> Tensor:
    """Returns standard normal noise (N, Z); the n-th caption always gets the n-th row."""
    return torch.randn(n_captions, noise_dim, generator=torch.Generator().manual_seed(run.seed))


def trained_precision(bundle: ModelBundle, run: RunParameters) -> Precision:
    """Returns the precision in which a model was trained, as its card reports."""
    return Precision.from_name(str(bundle.card["metrics"]["precision"]), run)
