"""Restoration: fill holes in images and remove noise, by the VAE and the text prior. It needs torch."""

import time
from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

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

    @property
    def is_smooth(self) -> bool:
        """Whether latents are a smooth function of the noise; that of a retrieval chooses among images."""
        return isinstance(self.generator, TextToImage)

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

    In this model a latent is that of the text for some noise, plus a deviation; noise and deviation are
    standard normal, as latents are in the VAE's loss, and the decoder has the variance of that loss. So Adam
    minimizes the squared error of the known pixels over twice the variance of decoder and image noise, plus
    half the squared norms of noise and deviation. It starts without a deviation, at the noise of several
    whose image is nearest to the known pixels. A retrieval chooses by its noise, which then stays.

    Known pixels of images without noise stay as they are, bit by bit. The same arguments give the same bytes
    on the same machine.

    Args:
        damaged: N images of the model's size and channels.
        texts: What each shows.
        model: Networks of one environment.
        parameters: Number of noises at the start, steps, and learning rate.
        seed: Of these noises.

    Raises:
        LexipixError: The images have another size or number of channels than the model's.
    """
    began, seen, latents_of = time.perf_counter(), _Observation(damaged, model), model.condition(texts)
    with torch.no_grad():
        noise = _nearest_noise(latents_of, model, seen, parameters.candidates, seed)
        start = latents_of(noise)
        drawn = model.vae.decoder(start)
    deviation = torch.zeros_like(start).requires_grad_()
    variables = [deviation]
    if model.is_smooth:
        variables.append(noise.requires_grad_())

    def decode() -> Tensor:
        image: Tensor = model.vae.decoder((latents_of(noise) if model.is_smooth else start) + deviation)
        return image

    optimizer = torch.optim.Adam(variables, parameters.learning_rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, max(1, parameters.steps))
    with Progress("Restoring", parameters.steps, unit="steps") as progress:
        for _ in range(parameters.steps):
            optimizer.zero_grad()
            loss = seen.misfit(decode()).sum() + sum(one.square().sum() for one in variables) / 2
            loss.backward()
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


def _nearest_noise(
    latents_of: Callable[[Tensor], Tensor],
    model: RestorationModel,
    seen: _Observation,
    candidates: int,
    seed: int,
) -> Tensor:
    """The noise (N, Z), of several for each image, whose image is nearest to the known pixels."""
    n_images, dim = len(seen.images), model.generator.noise_dim
    best = torch.zeros(n_images, dim, device=model.device)
    lowest = torch.full((n_images,), torch.inf, device=model.device)
    for number in range(candidates):
        rows = [sample_noise(seed, index, dim, number) for index in range(n_images)]
        noise = torch.from_numpy(np.concatenate(rows)).to(model.device)
        misfit = seen.misfit(model.vae.decoder(latents_of(noise)))
        is_nearer = misfit < lowest
        best, lowest = torch.where(is_nearer[:, None], noise, best), torch.where(is_nearer, misfit, lowest)
    return best
