"""The text paths: images from captions, by each generator under evaluation."""

import json
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
from lexipix.engines.base import Engine, row_parts
from lexipix.inference.text_to_image_pipeline import TextToImagePipeline
from lexipix.models.conditional_generator import ConditionalGenerator
from lexipix.models.retrieval_to_image import RetrievalToImage
from lexipix.models.text_to_image import TextToImage
from lexipix.models.tokens_to_image import TokensToImage
from lexipix.training.bundles import fingerprint, load_network, token_ids
from lexipix.training.precision import Precision, resolve_device
from lexipix.utils.mapped_array import mapped_array
from lexipix.utils.skipped_model import is_skipped
from lexipix.utils.types import ModelBundle, OnnxPipeline

Pixels = NDArray[np.uint8]
TEXT_MODELS: tuple[type[ConditionalGenerator], ...] = (TextToImage, RetrievalToImage, TokensToImage)
# One image for each caption, uint8 (N, H, W, 3); the n-th caption always gets the n-th noise
DrawCaptions = Callable[[Sequence[str]], Pixels]
Generator = ModelBundle | OnnxPipeline
TEXT_PATHS = ("vae", "gan", "champion", "tokens")  # in the order in which results list them


class Generators(NamedTuple):
    """The generators under evaluation, under the names and in the order of a node's last inputs."""

    prior: ModelBundle  # the text prior with the VAE's decoder
    gan: ModelBundle
    tokens: ModelBundle  # may be skipped
    champion: OnnxPipeline


def text_paths(
    generators: Generators, run: RunParameters, batch_size: int, engine: Engine
) -> dict[str, DrawCaptions]:
    """Returns a function from captions to images for each of :data:`TEXT_PATHS` that has a model.

    The captions of 4,096 images are a part for the engine.
    """
    models: tuple[Generator, ...] = (generators.prior, generators.gan, generators.champion, generators.tokens)
    return {
        path: partial(_draw, path, model, run, batch_size, engine)
        for path, model in zip(TEXT_PATHS, models, strict=True)
        if isinstance(model, OnnxPipeline) or not is_skipped(model)
    }


def _draw(
    path: str,
    model: Generator,
    run: RunParameters,
    batch_size: int,
    engine: Engine,
    captions: Sequence[str],
) -> Pixels:
    captions = list(captions)

    def key() -> str:
        return f"drawn-{path}/{fingerprint(model, run, json.dumps(captions), batch_size)}"

    parts = [(rows, [captions[row] for row in rows]) for rows in row_parts(len(captions))]
    return mapped_array(engine.contents(key, _draw_part, parts, len(captions), model, run, batch_size))


def _draw_part(
    part: tuple[NDArray[np.int64], list[str]],
    n_captions: int,
    model: Generator,
    run: RunParameters,
    batch_size: int,
) -> Pixels:
    """Draws the captions of some rows among ``n_captions``."""
    rows, captions = part
    if isinstance(model, ModelBundle):
        return draw_captions(model, captions, run, batch_size, (n_captions, rows))
    _, generator = TextToImagePipeline.from_champion(model).generator()
    return generator.generate(captions, noise_for(n_captions, generator.noise_dim, run)[rows].numpy())


def images_by_path(images: Sequence[Pixels]) -> dict[str, Pixels]:
    """Returns the images of :data:`TEXT_PATHS`, given in that order, by path; empty ones are absent."""
    return {path: drawn for path, drawn in zip(TEXT_PATHS, images, strict=True) if len(drawn)}


def draw_captions(
    bundle: ModelBundle,
    captions: Sequence[str],
    run: RunParameters,
    batch_size: int,
    among: tuple[int, NDArray[np.int64]] | None = None,
) -> Pixels:
    """Draws one image for each caption with one of :data:`TEXT_MODELS`: uint8 (N, H, W, 3).

    A ``tokens_to_image`` draws in the precision of its training. The batch size changes rounding only.
    ``among`` are the number of all captions and the rows of these, if they are a part of more.
    """
    device = resolve_device(run)
    model = load_network(bundle, *TEXT_MODELS).to(device)
    ids = token_ids(bundle, captions)
    n_captions, rows = among or (len(ids), np.arange(len(ids)))
    noise = noise_for(n_captions, model.noise_dim, run)[rows]
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
