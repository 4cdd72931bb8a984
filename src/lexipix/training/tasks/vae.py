"""Training of the VAE: reconstruction, structural similarity and Kullback-Leibler divergence."""

import torch
from torch import Tensor

from lexipix.config.generator import VAEParameters
from lexipix.data.images import N_VALIDATION, ImageRows, Images, batch_psnr, random_crop
from lexipix.models.vae import VAE
from lexipix.training.losses.ssim import structural_dissimilarity
from lexipix.training.losses.vae import vae_loss
from lexipix.training.sample_grid import two_rows
from lexipix.training.tasks.base import Metrics, NetworkTask, SampleGrid, adamw

# Fraction of the training over which the KL weight rises, so that it does not empty the latent at once
KL_WARMUP = 0.2
CROP = 32  # pixels of the side of what is trained on: a step costs the same for images of any size


class VAETask(NetworkTask):
    """Trains a :class:`VAE` on images, uint8 (N, S, S, C), or on random crops of larger ones."""

    def __init__(
        self, vae: VAE, images: Images, validation: Images, parameters: VAEParameters, device: torch.device
    ) -> None:
        training = parameters.training
        optimizer = adamw(vae.parameters(), training.learning_rate, 0.99, 0.01)
        super().__init__("vae", vae, optimizer, len(images), training.gradient_accumulation_steps)
        self.vae, self.parameters = vae, parameters
        self.images, self.validation = ImageRows(images, device), ImageRows(validation, device)

    def step(self, rows: Tensor, progress: float) -> Metrics:
        metrics = super().step(rows, progress)
        return {"loss": metrics["loss"], "psnr": -10 * metrics["mse"].log10(), "kl": metrics["kl"]}

    def losses(self, rows: Tensor, progress: float) -> tuple[Tensor, Metrics]:
        variance = self.parameters.decoder_variance * min(1.0, progress / KL_WARMUP + 0.01)
        images = random_crop(self.images[rows], CROP)
        reconstruction, mean, logvar = self.vae(images)
        loss, mse, kl = vae_loss(images, reconstruction, mean, logvar, variance)
        if self.parameters.ssim_weight:
            loss = loss + self.parameters.ssim_weight * structural_dissimilarity(images, reconstruction)
        return loss, {"loss": loss, "mse": mse, "kl": kl}

    def validate(self) -> dict[str, float]:
        """Return the mean per-image PSNR of up to 512 validation images, decoded from the posterior mean."""
        rows = torch.arange(min(len(self.validation), N_VALIDATION))
        psnr = float(batch_psnr(self._reconstruct(rows).float().clamp(-1, 1), self.validation[rows]).mean())
        return {"objective": -psnr, "psnr": psnr}

    def sample_grid(self) -> SampleGrid:
        """Return up to eight originals above their reconstructions: uint8 (height, width, 3)."""
        rows = torch.arange(min(len(self.validation), 8))
        return two_rows(self.validation[rows], self._reconstruct(rows))

    def _reconstruct(self, rows: Tensor) -> Tensor:
        reconstruction: Tensor = self.vae.decoder(self.vae.encoder(self.validation[rows])[0])
        return reconstruction
