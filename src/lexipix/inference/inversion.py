"""Inversion: find the latent or the noise whose image is closest to a given image. It needs torch."""

import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from lexipix.config.generation import Optimize, RedrawParameters
from lexipix.config.run import RunParameters
from lexipix.data.images import normalize, to_uint8
from lexipix.inference.latent_optimization import optimize_latent
from lexipix.inference.onnx_generator import sample_noise
from lexipix.inference.onnx_session import Pixels
from lexipix.inference.redraw_result import Attempt, InversionResult, RedrawResult, Step, measure_closeness
from lexipix.models.text_to_image import TextToImage
from lexipix.models.vae import VAE
from lexipix.training.bundles import load_network, token_ids
from lexipix.training.precision import resolve_device
from lexipix.utils.errors import LexipixError

# Catalog entry of each generator's trained network
NETWORKS = {"vae": "prior", "gan": "gan"}
Load = Callable[[str], Any]


class InversionStart(NamedTuple):
    """Initial values of an inversion, and the decoder that makes images of them."""

    values: Tensor  # noise (1, Z) or a latent (1, C, 8, 8)
    decode: Callable[[Tensor], Tensor]  # values to images (1, 3, S, S) in about [-1, 1]
    max_norm: float = float("inf")  # longer values are scaled to this norm


def start_from_text(load: Load, best: Attempt, optimize: Optimize, device: torch.device) -> InversionStart:
    """Start where a generator drew an attempt.

    ``noise`` stays within the norm of typical noise, so that the image remains one that the generator draws
    from the text; a ``latent`` does not depend on the text after the start. Only a generator of
    :data:`NETWORKS` can be inverted, else there is a LexipixError.
    """
    if best.model not in NETWORKS:
        raise LexipixError(
            f"Images of the model {best.model} cannot be optimized: choose --model {' or '.join(NETWORKS)}."
        )
    bundle = load(NETWORKS[best.model])
    if bundle.config["kind"] != TextToImage.kind:
        raise LexipixError(
            f"The model {best.model} edits images that it retrieves, and has no latent or noise to optimize: "
            "start from the encoder's latent (--init picture, generation.redraw.init)."
        )
    model = load_network(bundle, TextToImage).to(device).requires_grad_(False)
    noise = torch.from_numpy(sample_noise(best.seed, best.index, model.noise_dim)).to(device)
    with torch.no_grad():
        plan = model.condition(token_ids(bundle, [best.text]).to(device))
        latent = model.prior.sample_latents(plan, noise)
    if optimize == "latent":
        return InversionStart(latent, model.decoder)
    # Noise that is longer than typical may keep its norm
    max_norm = max(model.noise_dim**0.5, float(noise.norm()))
    return InversionStart(noise, lambda some: model.decode_conditioning(plan, some), max_norm)


def start_from_image(load: Load, image: Tensor, optimize: Optimize) -> InversionStart:
    """Start where the VAE encodes an image (1, 3, S, S): the direct path, without text."""
    if optimize == "noise":
        raise LexipixError(
            "The encoder gives a latent and no noise: remove --optimize noise "
            "(generation.redraw.optimize) or --init picture (generation.redraw.init)."
        )
    vae = load_network(load("vae"), VAE).to(image.device).requires_grad_(False)
    with torch.no_grad():
        return InversionStart(vae.encoder(image)[0], vae.decoder)


def invert(
    result: RedrawResult, load: Load, parameters: RedrawParameters, run: RunParameters
) -> InversionResult:
    """Optimise towards the given image of a redrawing; ``load`` gives trained networks by name.

    The first step that reaches the target, an SSIM or PSNR, is the last; a score as target is ignored.
    """
    device, best = resolve_device(run), result.attempts[result.best]
    image = normalize(torch.from_numpy(np.array(result.given[None])).to(device))
    if parameters.init == "picture":
        model, start = "vae", start_from_image(load, image, parameters.optimize)
    else:
        model, start = best.model, start_from_text(load, best, parameters.optimize, device)
    target = result.target if result.target is not None and result.target.metric != "score" else None
    images, done = list[Pixels](), list[Step]()
    began = time.perf_counter()
    sequence = optimize_latent(start.decode, start.values, image, parameters.optimize_steps, start.max_norm)
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
        np.stack(images),
        done,
        target,
        time.perf_counter() - began,
    )
