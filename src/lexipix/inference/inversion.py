"""Inversion: find the latent or the noise whose image is closest to a given image. It needs torch."""

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from lexipix.config.generation import Optimize, RedrawParameters
from lexipix.config.run import RunParameters
from lexipix.data.images import normalize, to_uint8
from lexipix.inference.closeness import measure_closeness
from lexipix.inference.inversion_result import InversionResult, Step
from lexipix.inference.latent_optimization import optimize_latent
from lexipix.inference.onnx_generator import sample_noise
from lexipix.inference.onnx_session import Pixels, Vectors
from lexipix.inference.redraw import RedrawResult
from lexipix.models.text_to_image import TextToImage
from lexipix.models.vae import VAE
from lexipix.training.bundles import load_network, token_ids
from lexipix.training.precision import resolve_device
from lexipix.utils.errors import LexipixError
from lexipix.utils.types import ModelBundle

# Catalog entry of each generator's trained network
NETWORKS = {"vae": "prior", "gan": "gan"}


class InversionStart(NamedTuple):
    """Initial values of an inversion, and the decoder that makes images of them.

    Attributes:
        values: Noise (1, Z) or a latent (1, C, 8, 8).
        decode: Values to images (1, 3, S, S) in about [-1, 1].
        max_norm: Longer values are scaled to this norm.
    """

    values: Tensor
    decode: Callable[[Tensor], Tensor]
    max_norm: float = float("inf")


def start_from_text(
    bundle: ModelBundle, text: str, noise: Vectors, optimize: Optimize, run: RunParameters
) -> InversionStart:
    """Start where a generator draws a text from noise (1, Z).

    ``noise`` stays within the norm of typical noise, so that the image remains one that the generator draws
    from the text; a ``latent`` does not depend on the text after the start.
    """
    device = resolve_device(run)
    model = load_network(bundle, TextToImage).to(device).requires_grad_(False)
    given = torch.from_numpy(noise).to(device)
    with torch.no_grad():
        plan = model.condition(token_ids(bundle, [text]).to(device))
        latent = model.prior.sample_latents(plan, given)
    if optimize == "latent":
        return InversionStart(latent, model.decoder)
    # Noise that is longer than typical may keep its norm
    max_norm = max(noise.shape[1] ** 0.5, float(given.norm()))
    return InversionStart(given, lambda some: model.decode_conditioning(plan, some), max_norm)


def start_from_image(bundle: ModelBundle, image: Pixels, run: RunParameters) -> InversionStart:
    """Start where a ``vae`` encodes an image, uint8 (S, S, 3): the direct path, without text."""
    device = resolve_device(run)
    vae = load_network(bundle, VAE).to(device).requires_grad_(False)
    with torch.no_grad():
        return InversionStart(vae.encoder(_normalized(image, device))[0], vae.decoder)


def invert_best(
    result: RedrawResult, load: Callable[[str], Any], parameters: RedrawParameters, run: RunParameters
) -> RedrawResult:
    """Add an inversion, towards the given image, to a redrawing.

    Args:
        result: The attempts by way of text.
        load: Loads a dataset of the catalog: trained networks.
        parameters: Steps, what they change, where they start, and what is good enough.
        run: Chooses the device.

    Raises:
        LexipixError: The best attempt is by a generator that cannot be inverted.
    """
    best = result.attempts[result.best]
    model = "vae" if parameters.init == "picture" else best.model
    if parameters.init == "picture":
        if parameters.optimize == "noise":
            raise LexipixError(
                "The encoder gives a latent and no noise: remove --optimize noise "
                "(generation.redraw.optimize) or --init picture (generation.redraw.init)."
            )
        start = start_from_image(load("vae"), result.given, run)
    else:
        if model not in NETWORKS:
            raise LexipixError(
                f"Images of the model {model} cannot be optimized: choose --model {' or '.join(NETWORKS)}."
            )
        bundle = load(NETWORKS[model])
        noise = sample_noise(best.seed, best.index, int(bundle.config["network"]["prior"]["noise_dim"]))
        start = start_from_text(bundle, best.text, noise, parameters.optimize, run)
    return replace(result, inversion=invert(start, result, parameters, model))


def invert(
    start: InversionStart, result: RedrawResult, parameters: RedrawParameters, model: str
) -> InversionResult:
    """Optimise initial values of a model towards the given image of a redrawing.

    The first step that reaches the target, an SSIM or PSNR, is the last; a score as target is ignored.
    """
    target = result.target if result.target is not None and result.target.metric != "score" else None
    wanted = _normalized(result.given, start.values.device)
    images, done = list[Pixels](), list[Step]()
    began = time.perf_counter()
    sequence = optimize_latent(start.decode, start.values, wanted, parameters.optimize_steps, start.max_norm)
    for number, (decoded, _) in enumerate(sequence):
        images.append(to_uint8(decoded)[0])
        done.append(Step(number, *measure_closeness(images[-1], result.given)))
        if done[-1].reaches(target):
            break
    return InversionResult(
        parameters.init,
        parameters.optimize,
        start.values[0].numel(),
        model,
        result.given,
        np.stack(images),
        done,
        target,
        time.perf_counter() - began,
    )


def _normalized(image: Pixels, device: torch.device) -> Tensor:
    return normalize(torch.from_numpy(np.array(image[None])).to(device))
