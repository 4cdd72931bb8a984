"""Both paths: pictures through the latent and back, and pictures drawn from captions."""

import math
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lexipix.config.run import RunParameters
from lexipix.data.images import normalize, to_uint8
from lexipix.models.conditional_generator import ConditionalGenerator
from lexipix.models.text_to_image import TextToImage
from lexipix.models.tokens_to_image import TokensToImage
from lexipix.models.vae import VAE
from lexipix.training.bundles import load_network, token_ids
from lexipix.training.precision import resolve_device
from lexipix.utils.types import ModelBundle

Pixels = NDArray[np.uint8]
GENERATORS: tuple[type[ConditionalGenerator], ...] = (TextToImage, TokensToImage)


def through_latent(bundle: ModelBundle, images: Pixels, run: RunParameters, batch_size: int) -> Pixels:
    """The direct path: each picture decoded from the mean of its latent.

    Args:
        bundle: A ``vae``.
        images: uint8 (N, H, W, 3).
        run: Chooses the device.
        batch_size: Pictures at a time.

    Returns:
        uint8 (N, H, W, 3).
    """
    device = resolve_device(run)
    vae = load_network(bundle, VAE).to(device)
    decoded = []
    with torch.inference_mode():
        for start in range(0, len(images), batch_size):
            batch = torch.from_numpy(np.array(images[start : start + batch_size])).to(device)
            decoded.append(to_uint8(vae.decoder(vae.encoder(normalize(batch))[0])))
    return np.concatenate(decoded)


def latent_bits(bundle: ModelBundle, images: Pixels, run: RunParameters, batch_size: int) -> float:
    """Information in a latent, mean over pictures, in bits.

    It is the divergence of the latent's distribution from the standard normal one, which is what sending the
    latent would cost (bits back; Hinton and van Camp 1993).
    """
    device = resolve_device(run)
    vae = load_network(bundle, VAE).to(device)
    total = 0.0
    with torch.inference_mode():
        for start in range(0, len(images), batch_size):
            batch = torch.from_numpy(np.array(images[start : start + batch_size])).to(device)
            mean, logvar = vae.encoder(normalize(batch))
            total += float((mean.square() + logvar.exp() - 1 - logvar).double().sum() / 2)
    return total / len(images) / math.log(2)


def noise_for(n_captions: int, noise_dim: int, run: RunParameters) -> Tensor:
    """Standard normal noise (N, Z); the n-th caption always gets the n-th row."""
    return torch.randn(n_captions, noise_dim, generator=torch.Generator().manual_seed(run.seed))


def from_captions(
    bundle: ModelBundle, captions: Sequence[str], run: RunParameters, batch_size: int
) -> Pixels:
    """The text path: one picture for each caption.

    Args:
        bundle: A ``text_to_image``, the prior's or the GAN's, or a ``tokens_to_image``.
        captions: N texts.
        run: Its seed decides the noise; the n-th caption always gets the n-th noise.
        batch_size: Captions at a time; it does not change the pictures but for rounding.

    Returns:
        uint8 (N, H, W, 3).
    """
    device = resolve_device(run)
    model = load_network(bundle, *GENERATORS).to(device)
    ids = token_ids(bundle, captions)
    noise = noise_for(len(ids), model.noise_dim, run)
    drawn = []
    with torch.inference_mode():
        for some_ids, some_noise in zip(ids.split(batch_size), noise.split(batch_size), strict=True):
            drawn.append(to_uint8(model(some_ids.to(device), some_noise.to(device))))
    return np.concatenate(drawn)
