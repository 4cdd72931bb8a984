"""A few gradient steps from a picture's noise or latent towards the given picture. They need torch."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lexipix.config.generation import Fit, RedrawParameters, Start
from lexipix.config.run import RunParameters
from lexipix.data.images import normalize, to_uint8
from lexipix.inference.inversion_result import InversionResult, Step
from lexipix.inference.latent_optimization import descend
from lexipix.inference.onnx_models import Pixels, Vectors, noise_of
from lexipix.inference.redraw import Redrawn
from lexipix.inference.targets import Target
from lexipix.metrics.images import WINDOW, psnr, ssim
from lexipix.models.text_to_image import TextToImage
from lexipix.models.vae import VAE
from lexipix.training.bundles import load_network, token_ids
from lexipix.training.precision import resolve_device
from lexipix.utils.errors import LexipixError
from lexipix.utils.types import ModelBundle

# The trained network of each generator, by the name of the generator
TRAINED = {"vae": "prior", "gan": "gan"}


@dataclass(frozen=True)
class Beginning:
    """Points to start from, and what makes pictures of them.

    Attributes:
        points: Noise (B, Z) or latents (B, C, 8, 8).
        decode: Points to pictures (B, 3, S, S) in about [-1, 1].
        norm: No point grows longer than this.
        start: Which start it is.
        fit: What the points are.
    """

    points: Tensor
    decode: Callable[[Tensor], Tensor]
    norm: float
    start: Start
    fit: Fit

    @property
    def numbers(self) -> int:
        """That are fitted for each picture."""
        return self.points[0].numel()


def from_words(
    bundle: ModelBundle, texts: list[str], noise: Vectors, fit: Fit, run: RunParameters
) -> Beginning:
    """Begin where a generator draws texts (B) from noise (B, Z).

    Args:
        bundle: A ``text_to_image``: the prior's or the GAN's.
        texts: What is drawn.
        noise: With which noise.
        fit: ``noise`` stays within the length of typical noise, so that the picture remains one that the
            generator draws of the words; ``latent`` is free of the words after the start.
        run: Chooses the device.
    """
    device = resolve_device(run)
    model = load_network(bundle, TextToImage).to(device).requires_grad_(False)
    ids = token_ids(bundle, texts).to(device)
    given = torch.from_numpy(noise).to(device)
    with torch.no_grad():
        plan = model.condition(ids)
        latents = model.prior.sample_latents(plan, given)
    if fit == "latent":
        return Beginning(latents, model.decoder, float("inf"), "best", fit)
    # What was drawn longer than usual may stay as long
    norm = max(noise.shape[1] ** 0.5, float(given.norm(dim=1).max()))
    return Beginning(given, lambda some: model.decode_conditioning(plan, some), norm, "best", fit)


def from_pictures(bundle: ModelBundle, pictures: Pixels, run: RunParameters) -> Beginning:
    """Begin where a ``vae`` encodes pictures, uint8 (B, S, S, 3): the direct path, without words."""
    device = resolve_device(run)
    vae = load_network(bundle, VAE).to(device).requires_grad_(False)
    with torch.no_grad():
        latents = vae.encoder(normalize(torch.from_numpy(np.array(pictures)).to(device)))[0]
    return Beginning(latents, vae.decoder, float("inf"), "picture", "latent")


def refine_best(
    redrawn: Redrawn, load: Callable[[str], Any], parameters: RedrawParameters, run: RunParameters
) -> Redrawn:
    """Add to a redrawing what steps towards the given picture make of it.

    Args:
        redrawn: The tries by way of words.
        load: Gives a dataset of the catalog: trained networks.
        parameters: Steps, what they change, where they start, and what is good enough.
        run: Chooses the device.

    Raises:
        LexipixError: The best try is by a generator that cannot be refined.
    """
    best = redrawn.tries[redrawn.best]
    if parameters.start == "picture":
        if parameters.fit == "noise":
            raise LexipixError(
                "The encoder sees a latent and no noise: leave out --fit noise "
                "(generation.redraw.fit), or --start picture (generation.redraw.start)."
            )
        beginning, model = from_pictures(load("vae"), redrawn.given[None], run), "vae"
    else:
        if best.model not in TRAINED:
            raise LexipixError(
                f"Pictures of the model {best.model} cannot be refined: "
                f"choose --model {' or '.join(TRAINED)}."
            )
        bundle, model = load(TRAINED[best.model]), best.model
        width = int(bundle.config["network"]["prior"]["noise_dim"])
        noise = noise_of(best.seed, best.index, width)
        beginning = from_words(bundle, [best.text], noise, parameters.fit, run)
    refined = refine(beginning, redrawn.given, parameters.refine, redrawn.target, model)
    return replace(redrawn, refined=refined)


def refine(
    beginning: Beginning, picture: Pixels, steps: int, target: Target | None, model: str
) -> InversionResult:
    """Refine one picture.

    Args:
        beginning: Of one picture.
        picture: uint8 (S, S, 3), the given one.
        steps: At most; the first that reaches the target is the last.
        target: What is good enough, by ``ssim`` or ``psnr``; another measure ends nothing.
        model: Its name, for the trail.
    """
    wanted = normalize(torch.from_numpy(np.array(picture[None]))).to(beginning.points.device)
    images, found = list[Pixels](), list[Step]()
    began, reached = time.perf_counter(), False
    for number, (drawn, _) in enumerate(
        descend(beginning.decode, beginning.points, wanted, steps, beginning.norm)
    ):
        image = to_uint8(drawn)
        similarity = float(ssim(image, picture[None])[0]) if min(picture.shape[:2]) >= WINDOW else None
        images.append(image[0])
        found.append(Step(number, similarity, float(psnr(image, picture[None])[0])))
        reached = _reached(found[-1], target)
        if reached:
            break
    named = str(target) if target is not None and target.metric != "score" else None
    return InversionResult(
        beginning.start, beginning.fit, beginning.numbers, model, picture, np.stack(images), found, named,
        reached, time.perf_counter() - began,
    )  # fmt: skip


def _reached(step: Step, target: Target | None) -> bool:
    value = {"ssim": step.ssim, "psnr": step.psnr}.get(target.metric) if target is not None else None
    return target is not None and value is not None and value >= target.value
