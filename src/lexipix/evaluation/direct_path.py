"""Images through a latent and back, without any text: the VAE's latent, and image tokens."""

import math

import numpy as np
import torch
from numpy.typing import NDArray

from lexipix.config.run import RunParameters
from lexipix.data.images import ImageRows, Images, to_uint8
from lexipix.evaluation.baselines import mean_psnr_ssim
from lexipix.models.tokens_to_image import TokensToImage
from lexipix.models.vae import VAE
from lexipix.training.bundles import load_network
from lexipix.training.precision import resolve_device
from lexipix.utils.types import ModelBundle

Pixels = NDArray[np.uint8]


class LatentCodec:
    """Encoder and decoder of the direct path, a ``vae``."""

    def __init__(self, bundle: ModelBundle, run: RunParameters, batch_size: int) -> None:
        self._device = resolve_device(run)
        self._vae = load_network(bundle, VAE).to(self._device)
        self._batch_size = batch_size

    def encode(self, images: Images) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Returns mean and log-variance of the posterior of images, uint8 (N, S, S, 3): (N, 64, C) each."""
        rows, found = ImageRows(images, self._device), []
        with torch.inference_mode():
            for batch in torch.arange(len(rows)).split(self._batch_size):
                grids = [grid.flatten(2).transpose(1, 2).float() for grid in self._vae.encoder(rows[batch])]
                found.append([grid.cpu().numpy() for grid in grids])
        mean, logvar = (np.concatenate(parts) for parts in zip(*found, strict=True))
        return mean, logvar

    def decode(self, latents: NDArray[np.floating]) -> Pixels:
        """Returns the images of latents (N, 64, C): uint8 (N, S, S, 3)."""
        decoded = []
        side = round(latents.shape[1] ** 0.5)
        with torch.inference_mode():
            for cells in torch.from_numpy(latents.astype(np.float32)).split(self._batch_size):
                grid = cells.transpose(1, 2).unflatten(2, (side, side)).to(self._device)
                decoded.append(to_uint8(self._vae.decoder(grid)))
        return np.concatenate(decoded)

    def reconstruct(self, images: Images) -> Pixels:
        """Returns each image, uint8 (N, S, S, 3), decoded from the mean of its latent."""
        return self.decode(self.encode(images)[0])

    def bits(self, images: Images) -> float:
        """Returns the information in a latent in bits, mean over images.

        It is the KL divergence of the posterior from the standard normal distribution, which is what it costs
        to send the latent (bits back; Hinton and van Camp 1993).
        """
        mean, logvar = self.encode(images)
        divergence = (np.square(mean) + np.exp(logvar) - 1 - logvar).sum(dtype=np.float64) / 2
        return float(divergence) / len(images) / math.log(2)


def measure_token_round_trip(
    bundle: ModelBundle, images: Pixels, run: RunParameters, batch_size: int
) -> dict[str, float]:
    """Returns how well images, uint8 (N, H, W, 3), come back from all of their image tokens.

    Returns:
        ``psnr``, ``ssim``, and ``bits_per_image``, the logarithm of the number of possible token grids.
    """
    device = resolve_device(run)
    image_tokenizer = load_network(bundle, TokensToImage).image_tokenizer.to(device)
    rows, decoded = ImageRows(images, device), []
    with torch.inference_mode():
        for batch in torch.arange(len(rows)).split(batch_size):
            tokens = image_tokenizer.tokenize(rows[batch])  # integers: nothing else reaches the decoder
            decoded.append(to_uint8(image_tokenizer.decode(image_tokenizer.codes(tokens))))
    return mean_psnr_ssim(images, np.concatenate(decoded)) | {"bits_per_image": image_tokenizer.bits}
