"""Restoration: fill holes in images and remove noise, by the VAE and the text prior. It needs torch."""

import math
import time
from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from lexipix.config.generation import RestoreParameters
from lexipix.config.run import RunParameters
from lexipix.data.images import normalize, to_uint8
from lexipix.inference.onnx_generator import sample_noise
from lexipix.inference.restoration_result import DamagedImages, RestorationResult
from lexipix.models.conditional_generator import ConditionalGenerator
from lexipix.models.retrieval_to_image import RetrievalToImage
from lexipix.models.text_to_image import TextToImage
from lexipix.models.vae import VAE
from lexipix.training.bundles import load_network, token_ids
from lexipix.training.precision import resolve_device
from lexipix.utils.errors import LexipixError
from lexipix.utils.progress import Progress
from lexipix.utils.types import ModelBundle

LEVELS = 255.0  # of a pixel's value; networks use [-1, 1]


class RestorationModel:
    """The networks of a restoration: the VAE and the model that makes latents of captions.

    Args:
        vae: A trained VAE. The decoder's variance is that of its training.
        prior: A trained text prior, or a model that retrieves and edits images.
        run: Device and threads.
    """

    def __init__(self, vae: ModelBundle, prior: ModelBundle, run: RunParameters) -> None:
        self.device = resolve_device(run)
        self.variance = float(vae.card["parameters"]["decoder_variance"])  # of values on [0, 1]
        self.vae = load_network(vae, VAE).to(self.device).requires_grad_(False)
        networks: tuple[type[ConditionalGenerator], ...] = (TextToImage, RetrievalToImage)
        self.generator = load_network(prior, *networks).to(self.device).requires_grad_(False)
        self._prior = prior

    def condition(self, texts: Sequence[str]) -> Callable[[Tensor], Tensor]:
        """The function from noise (N, Z) to the latents of N captions, (N, C, G, G)."""
        generator = self.generator
        with torch.no_grad():
            ids = token_ids(self._prior, texts).to(self.device)
            if isinstance(generator, TextToImage):
                conditioning = generator.condition(ids)
                return lambda noise: generator.prior.sample_latents(conditioning, noise)
            encoding = generator.encode_text(ids)
        return lambda noise: self.vae.encoder(generator.decode(encoding, noise))[0]


class _Observation:
    """What is known of the images, (N, C, S, S) in [-1, 1], and how the decoder explains it."""

    def __init__(self, damaged: DamagedImages, model: RestorationModel) -> None:
        self.images = normalize(torch.from_numpy(damaged.images).to(model.device))
        self.known = torch.from_numpy(~damaged.holes)[:, None].to(self.images)
        noise = (damaged.noise / LEVELS) ** 2
        self.variance = 4 * (model.variance + noise)
        self.trust = noise / (model.variance + noise)  # in the decoder rather than in a known pixel

    def misfit(self, decoded: Tensor) -> Tensor:
        """Negative logarithm of the probability of the known pixels, without its constant: (N,)."""
        return self._squared_error(decoded) / (2 * self.variance)

    def rms_error(self, decoded: Tensor) -> NDArray[np.float64]:
        """Root mean squared error of the known values in levels, (N,)."""
        n_values = self.known.flatten(1).sum(1) * self.images.shape[1]
        return (LEVELS / 2 * (self._squared_error(decoded) / n_values).sqrt()).double().cpu().numpy()

    def mean_given(self, decoded: Tensor) -> Tensor:
        """The expected image: noise is removed from known pixels as far as the decoder explains it."""
        known = self.trust * decoded + (1 - self.trust) * self.images
        return torch.where(self.known > 0, known, decoded)

    def _squared_error(self, decoded: Tensor) -> Tensor:
        if decoded.shape != self.images.shape:
            given, drawn = ("x".join(map(str, some.shape)) for some in (self.images, decoded))
            raise LexipixError(
                f"The images are {given} and those of the model {drawn} (number, channels, height, width): "
                "resize them to the model's size."
            )
        return ((decoded - self.images).square() * self.known).flatten(1).sum(1)


def restore(
    damaged: DamagedImages,
    texts: Sequence[str],
    model: RestorationModel,
    parameters: RestoreParameters,
    seed: int,
) -> RestorationResult:
    """Restore images: the most probable latent of each, given its text and what is known of it, decoded.

    In this model a latent is that of the text plus a deviation, which has the variance 1 as latents have in
    the VAE's loss, and the decoder has the variance of that loss. So Adam minimizes the squared error of the
    known pixels over twice the variance of decoder and image noise, plus half the squared norm of the
    deviation's parts. These have all scales, from a cell to the whole grid: where an image is lighter than
    its text's image around a hole, the hole becomes lighter too. The text's latent is the one of several,
    each with another noise, whose image is nearest to the known pixels.

    Known pixels of images without noise stay as they are, bit by bit. The same arguments give the same bytes
    on the same machine.

    Args:
        damaged: N images of the model's size and channels.
        texts: What each shows.
        model: Networks of one environment.
        parameters: Number of latents of each text, steps, and learning rate.
        seed: Of their noise.

    Raises:
        LexipixError: The images have another size or number of channels than the model's.
    """
    began, seen = time.perf_counter(), _Observation(damaged, model)
    with torch.no_grad():
        start = _nearest_latents(model.condition(texts), model, seen, parameters.candidates, seed)
        drawn = model.vae.decoder(start)
    parts = [torch.zeros_like(start[..., :side, :side]).requires_grad_() for side in _sides(start.shape[-1])]

    def decode() -> Tensor:
        image: Tensor = model.vae.decoder(start + sum_of_scales(parts))
        return image

    optimizer = torch.optim.Adam(parts, parameters.learning_rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, max(1, parameters.steps))
    with Progress("Restoring", parameters.steps, unit="steps") as progress:
        for _ in range(parameters.steps):
            optimizer.zero_grad()
            penalty = torch.stack([part.square().sum() for part in parts]).sum() / 2
            (seen.misfit(decode()).sum() + penalty).backward()
            optimizer.step()
            schedule.step()
            progress.advance()
    with torch.no_grad():
        decoded = decode()
        restored = to_uint8(seen.mean_given(decoded))
    if not damaged.noise:
        restored = np.where(damaged.holes[..., None], restored, damaged.images)
    return RestorationResult(
        damaged,
        list(texts),
        to_uint8(drawn),
        restored,
        (seen.rms_error(drawn), seen.rms_error(decoded)),
        parameters.steps,
        time.perf_counter() - began,
    )


def sum_of_scales(parts: Sequence[Tensor]) -> Tensor:
    """A grid (N, C, G, G) of variance 1 or less from parts (N, C, g, g) of variance 1, the finest one first.

    The parts have equal shares of the variance and are enlarged smoothly.
    """
    size = parts[0].shape[-2:]
    enlarged = [F.interpolate(part, size=size, mode="bilinear", align_corners=False) for part in parts]
    total: Tensor = torch.stack(enlarged).sum(0) / math.sqrt(len(parts))
    return total


def _sides(side: int) -> list[int]:
    """The side of a grid, half of it, and so on to 1."""
    return [side >> level for level in range(side.bit_length())]


def _nearest_latents(
    latents_of: Callable[[Tensor], Tensor],
    model: RestorationModel,
    seen: _Observation,
    candidates: int,
    seed: int,
) -> Tensor:
    """The latents (N, C, G, G), of several for each text, whose images are nearest to the known pixels."""
    found, misfits = [], []
    for number in range(candidates):
        indices = range(len(seen.images))
        rows = [sample_noise(seed, index, model.generator.noise_dim, number) for index in indices]
        found.append(latents_of(torch.from_numpy(np.concatenate(rows)).to(model.device)))
        misfits.append(seen.misfit(model.vae.decoder(found[-1])))
    nearest = torch.stack(misfits).argmin(0)
    return torch.stack(found)[nearest, torch.arange(len(nearest), device=nearest.device)]
