"""Training of the VAE: reconstruction and Kullback-Leibler divergence."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lexipix.data.images import N_VALIDATION, ImageRows, Images, batch_psnr
from lexipix.models.vae import VAE
from lexipix.training.parallel import Share
from lexipix.training.sample_grid import two_rows

WINDOW = 7  # of the structural similarity, pixels
N_INITIAL = 2000  # pictures for the principal components; more change nothing that can be seen


def vae_loss(
    images: Tensor, reconstruction: Tensor, mean: Tensor, logvar: Tensor, decoder_variance: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Negative evidence bound of a Gaussian decoder of fixed variance, times twice that variance.

    With pictures on [0, 1] and decoder variance s2 the bound is ``SE / (2 s2) + KL``; per pixel number and
    times ``2 s2`` this is ``MSE + 2 s2 KL / n``, which keeps the loss in units of squared error whatever s2
    is. A fixed s2 caps PSNR near ``-10 log10(s2)``.

    Args:
        images: (B, 3, S, S) in [-1, 1].
        reconstruction: The same shape.
        mean: (B, C, 8, 8) of the posterior.
        logvar: The same shape.
        decoder_variance: s2, on the [0, 1] scale.

    Returns:
        Loss, mean squared error on [0, 1], and KL in nats per picture (scalars).
    """
    mse = (reconstruction.float() - images.float()).square().mean() / 4
    logvar, mean = logvar.float(), mean.float()
    kl = 0.5 * (mean.square() + logvar.exp() - 1 - logvar).flatten(1).sum(1).mean()
    return mse + 2 * decoder_variance * kl / images[0].numel(), mse, kl


def structural_dissimilarity(images: Tensor, reconstruction: Tensor) -> Tensor:
    """1 - SSIM with a uniform 7x7 window (Wang et al. 2004; as a loss: Zhao et al. 2017, arXiv 1511.08861).

    Squared error hardly sees a ripple on a plain background; structural similarity does.

    Args:
        images: (B, 3, S, S) in [-1, 1].
        reconstruction: The same shape.

    Returns:
        Scalar, 0 for equal pictures.
    """
    a, b = images.float().contiguous(), reconstruction.float().contiguous()
    mean_a, mean_b = _window_mean(a), _window_mean(b)
    variances = _window_mean(a * a) - mean_a**2 + _window_mean(b * b) - mean_b**2
    covariance = _window_mean(a * b) - mean_a * mean_b
    # The usual constants for a range of 2, the span of [-1, 1]
    c1, c2 = (2 * 0.01) ** 2, (2 * 0.03) ** 2
    luminance = (2 * mean_a * mean_b + c1) / (mean_a**2 + mean_b**2 + c1)
    return 1 - (luminance * (2 * covariance + c2) / (variances + c2)).mean()


def _window_mean(x: Tensor) -> Tensor:
    """Means of all windows of (B, C, S, S): (B, C, S - 6, S - 6).

    Sums of shifted pictures take a fifth of the time of ``avg_pool2d``, which is slow for three channels.
    """
    size = x.shape[-1] - WINDOW + 1
    across = torch.stack([x[..., start : start + size] for start in range(WINDOW)]).sum(0)
    down = torch.stack([across[..., start : start + size, :] for start in range(WINDOW)]).sum(0)
    return down / WINDOW**2


class VAETask:
    """Trains a :class:`VAE`.

    Args:
        vae: The network; its linear maps are set here from a sample of the training pictures.
        images: Training pictures, uint8 (N, S, S, 3).
        validation: Validation pictures, likewise.
        learning_rate: Peak rate.
        decoder_variance: See :func:`vae_loss`.
        structure_weight: Of :func:`structural_dissimilarity` beside it.
        device: Where to train.
        share: Where batches are shared out.
    """

    def __init__(
        self,
        vae: VAE,
        images: Images,
        validation: Images,
        *,
        learning_rate: float,
        decoder_variance: float,
        structure_weight: float,
        device: torch.device,
        share: Share | None = None,
    ) -> None:
        self.share = share or Share()
        self.images = ImageRows(images, device)
        self.validation = ImageRows(validation, device)
        self.decoder_variance, self.structure_weight = decoder_variance, structure_weight
        vae.init_from_pca(ImageRows(images, torch.device("cpu"))[torch.arange(min(len(images), N_INITIAL))])
        self.vae = vae
        self.modules: Mapping[str, torch.nn.Module] = {"vae": vae}
        self.averaged: Sequence[str] = ("vae",)
        self.optimizers: Mapping[str, torch.optim.Optimizer] = {
            "vae": torch.optim.AdamW(
                vae.parameters(), learning_rate, betas=(0.9, 0.99), weight_decay=0.01, fused=True
            )
        }
        self.n_rows = len(images)

    def step(self, rows: Tensor, progress: float) -> dict[str, Tensor]:
        """One update; the KL weight rises over the first fifth, so that the latent is not emptied at once."""
        variance = self.decoder_variance * min(1.0, 5 * progress + 0.01)

        def losses() -> tuple[Tensor, dict[str, Tensor]]:
            images = self.images[self.share.own(rows)]
            reconstruction, mean, logvar = self.vae(images, self.share.randn_like)
            loss, mse, kl = vae_loss(images, reconstruction, mean, logvar, variance)
            if self.structure_weight:
                loss = loss + self.structure_weight * structural_dissimilarity(images, reconstruction)
            return loss, {"loss": loss, "mse": mse, "kl": kl}

        means = self.share.update(self.optimizers["vae"], losses, clip=1.0)
        return {"loss": means["loss"], "psnr": -10 * means["mse"].log10(), "kl": means["kl"]}

    def reconstruct(self, rows: Tensor) -> Tensor:
        """Validation pictures through the posterior mean."""
        reconstruction: Tensor = self.vae.decoder(self.vae.encoder(self.validation[rows])[0])
        return reconstruction

    def validate(self) -> dict[str, float]:
        """Mean per-image PSNR of up to 512 validation pictures, decoded from the posterior mean."""
        rows = torch.arange(min(len(self.validation), N_VALIDATION))
        psnr = float(batch_psnr(self.reconstruct(rows).float().clamp(-1, 1), self.validation[rows]).mean())
        return {"objective": -psnr, "psnr": psnr}

    def sheet(self) -> NDArray[np.uint8]:
        """Up to eight originals above their reconstructions: uint8 (height, width, 3)."""
        rows = torch.arange(min(len(self.validation), 8))
        return two_rows(self.validation[rows], self.reconstruct(rows))
