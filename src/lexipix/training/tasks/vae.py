"""Training of the VAE: reconstruction, structural similarity and Kullback-Leibler divergence."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lexipix.data.images import N_VALIDATION, ImageRows, Images, batch_psnr
from lexipix.models.vae import VAE
from lexipix.training.accumulation import micro_batches, optimizer_step
from lexipix.training.losses.ssim import structural_dissimilarity
from lexipix.training.losses.vae import vae_loss
from lexipix.training.sample_grid import two_rows
from lexipix.training.tasks.base import Metrics, TrainingTask

KL_WARMUP = 0.2  # fraction of the training over which the KL weight rises
GRAD_CLIP = 1.0


class VAETask(TrainingTask):
    """Trains a :class:`VAE`.

    Args:
        vae: The network.
        images: Training images, uint8 (N, S, S, 3).
        validation: Validation images, likewise.
        learning_rate: Peak rate.
        decoder_variance: See :func:`vae_loss`.
        ssim_weight: Of :func:`structural_dissimilarity`.
        device: Where to train.
        gradient_accumulation_steps: Micro-batches per update.
    """

    def __init__(
        self,
        vae: VAE,
        images: Images,
        validation: Images,
        *,
        learning_rate: float,
        decoder_variance: float,
        ssim_weight: float,
        device: torch.device,
        gradient_accumulation_steps: int = 1,
    ) -> None:
        self.vae = vae
        self.images, self.validation = ImageRows(images, device), ImageRows(validation, device)
        self.decoder_variance, self.ssim_weight = decoder_variance, ssim_weight
        self.gradient_accumulation_steps = gradient_accumulation_steps
        self.modules, self.averaged, self.n_rows = {"vae": vae}, ("vae",), len(images)
        self.optimizers = {
            "vae": torch.optim.AdamW(
                vae.parameters(), learning_rate, betas=(0.9, 0.99), weight_decay=0.01, fused=True
            )
        }

    def step(self, rows: Tensor, progress: float) -> Metrics:
        """One update; the KL weight rises at first, so that the latent is not emptied at once."""
        variance = self.decoder_variance * min(1.0, progress / KL_WARMUP + 0.01)

        def losses(rows: Tensor) -> tuple[Tensor, Metrics]:
            images = self.images[rows]
            reconstruction, mean, logvar = self.vae(images)
            loss, mse, kl = vae_loss(images, reconstruction, mean, logvar, variance)
            if self.ssim_weight:
                loss = loss + self.ssim_weight * structural_dissimilarity(images, reconstruction)
            return loss, {"loss": loss, "mse": mse, "kl": kl}

        batches = micro_batches(rows, self.gradient_accumulation_steps)
        metrics = optimizer_step(self.optimizers["vae"], losses, batches, clip=GRAD_CLIP)
        return {"loss": metrics["loss"], "psnr": -10 * metrics["mse"].log10(), "kl": metrics["kl"]}

    def validate(self) -> dict[str, float]:
        """Return the mean per-image PSNR of up to 512 validation images, decoded from the posterior mean."""
        rows = torch.arange(min(len(self.validation), N_VALIDATION))
        psnr = float(batch_psnr(self._reconstruct(rows).float().clamp(-1, 1), self.validation[rows]).mean())
        return {"objective": -psnr, "psnr": psnr}

    def sample_grid(self) -> NDArray[np.uint8]:
        """Return up to eight originals above their reconstructions: uint8 (height, width, 3)."""
        rows = torch.arange(min(len(self.validation), 8))
        return two_rows(self.validation[rows], self._reconstruct(rows))

    def _reconstruct(self, rows: Tensor) -> Tensor:
        reconstruction: Tensor = self.vae.decoder(self.vae.encoder(self.validation[rows])[0])
        return reconstruction
