"""Inversion: find the latent or the noise whose image is closest to a given image. It needs torch."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lexipix.config.generation import Init, Optimize, RedrawParameters
from lexipix.config.run import RunParameters
from lexipix.data.images import normalize, to_uint8
from lexipix.inference.inversion_result import InversionResult, Step
from lexipix.inference.latent_optimization import optimize_latent
from lexipix.inference.onnx_generator import sample_noise
from lexipix.inference.onnx_session import Pixels, Vectors
from lexipix.inference.redraw import RedrawResult
from lexipix.inference.targets import Target
from lexipix.metrics.images import WINDOW, psnr, ssim
from lexipix.models.text_to_image import TextToImage
from lexipix.models.vae import VAE
from lexipix.training.bundles import load_network, token_ids
from lexipix.training.precision import resolve_device
from lexipix.utils.errors import LexipixError
from lexipix.utils.types import ModelBundle

# Catalog entry of each generator's trained network
NETWORKS = {"vae": "prior", "gan": "gan"}


@dataclass(frozen=True)
class InversionStart:
    """Initial values of an inversion, and the decoder that makes images of them.

    Attributes:
        values: Noise (B, Z) or latents (B, C, 8, 8).
        decode: Values to images (B, 3, S, S) in about [-1, 1].
        max_norm: Longer values are scaled to this norm.
        init: Where the values come from.
        optimize: What the values are.
    """

    values: Tensor
    decode: Callable[[Tensor], Tensor]
    max_norm: float
    init: Init
    optimize: Optimize

    @property
    def num_values(self) -> int:
        """Numbers that are optimised for each image."""
        return self.values[0].numel()


def start_from_text(
    bundle: ModelBundle, texts: list[str], noise: Vectors, optimize: Optimize, run: RunParameters
) -> InversionStart:
    """Start where a generator draws texts (B) from noise (B, Z).

    Args:
        bundle: A ``text_to_image``: the prior's or the GAN's.
        texts: The prompts.
        noise: The noise.
        optimize: ``noise`` stays within the norm of typical noise, so that the image remains one that the
            generator draws from the text; ``latent`` does not depend on the text after the start.
        run: Chooses the device.
    """
    device = resolve_device(run)
    model = load_network(bundle, TextToImage).to(device).requires_grad_(False)
    ids = token_ids(bundle, texts).to(device)
    given = torch.from_numpy(noise).to(device)
    with torch.no_grad():
        plan = model.condition(ids)
        latents = model.prior.sample_latents(plan, given)
    if optimize == "latent":
        return InversionStart(latents, model.decoder, float("inf"), "best", optimize)
    # Noise that is longer than typical may keep its norm
    max_norm = max(noise.shape[1] ** 0.5, float(given.norm(dim=1).max()))
    return InversionStart(
        given, lambda some: model.decode_conditioning(plan, some), max_norm, "best", optimize
    )


def start_from_images(bundle: ModelBundle, images: Pixels, run: RunParameters) -> InversionStart:
    """Start where a ``vae`` encodes images, uint8 (B, S, S, 3): the direct path, without text."""
    device = resolve_device(run)
    vae = load_network(bundle, VAE).to(device).requires_grad_(False)
    with torch.no_grad():
        latents = vae.encoder(normalize(torch.from_numpy(np.array(images)).to(device)))[0]
    return InversionStart(latents, vae.decoder, float("inf"), "picture", "latent")


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
    if parameters.init == "picture":
        if parameters.optimize == "noise":
            raise LexipixError(
                "The encoder gives a latent and no noise: remove --optimize noise "
                "(generation.redraw.optimize) or --init picture (generation.redraw.init)."
            )
        start, model = start_from_images(load("vae"), result.given[None], run), "vae"
    else:
        if best.model not in NETWORKS:
            raise LexipixError(
                f"Images of the model {best.model} cannot be optimized: choose --model "
                f"{' or '.join(NETWORKS)}."
            )
        bundle, model = load(NETWORKS[best.model]), best.model
        noise_dim = int(bundle.config["network"]["prior"]["noise_dim"])
        noise = sample_noise(best.seed, best.index, noise_dim)
        start = start_from_text(bundle, [best.text], noise, parameters.optimize, run)
    inversion = invert(start, result.given, parameters.optimize_steps, result.target, model)
    return replace(result, inversion=inversion)


def invert(
    start: InversionStart, image: Pixels, steps: int, target: Target | None, model: str
) -> InversionResult:
    """Optimise the values of one image.

    Args:
        start: Of one image.
        image: uint8 (S, S, 3), the given one.
        steps: At most; the first that reaches the target is the last.
        target: What is good enough, by ``ssim`` or ``psnr``; another metric is ignored.
        model: Its name, for the result.
    """
    wanted = normalize(torch.from_numpy(np.array(image[None]))).to(start.values.device)
    images, done = list[Pixels](), list[Step]()
    began, reached = time.perf_counter(), False
    sequence = optimize_latent(start.decode, start.values, wanted, steps, start.max_norm)
    for number, (decoded, _) in enumerate(sequence):
        drawn = to_uint8(decoded)
        similarity = float(ssim(drawn, image[None])[0]) if min(image.shape[:2]) >= WINDOW else None
        images.append(drawn[0])
        done.append(Step(number, similarity, float(psnr(drawn, image[None])[0])))
        reached = _reached(done[-1], target)
        if reached:
            break
    shown = str(target) if target is not None and target.metric != "score" else None
    return InversionResult(
        start.init, start.optimize, start.num_values, model, image, np.stack(images), done, shown,
        reached, time.perf_counter() - began,
    )  # fmt: skip


def _reached(step: Step, target: Target | None) -> bool:
    value = {"ssim": step.ssim, "psnr": step.psnr}.get(target.metric) if target is not None else None
    return target is not None and value is not None and value >= target.value
