"""Teaching a smaller text-to-image model to draw what a trained one draws, from the same words and noise."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from lexipix.networks.text_to_image import TextToImage
from lexipix.networks.vae import Decoder
from lexipix.training.captions import CaptionRows
from lexipix.training.data import N_VALIDATION, psnr_of
from lexipix.training.drawing import N_CANDIDATES, N_SHOWN
from lexipix.training.prior import channel_weights
from lexipix.training.sheets import two_rows
from lexipix.training.vae import structural_dissimilarity

# Squared errors of pictures are about a hundredth of those of whitened latents, and 1 - SSIM a tenth
PIXEL_WEIGHT = 20.0
STRUCTURE_WEIGHT = 1.0


class DistillationTask:
    """Trains a student :class:`TextToImage` by regression to a teacher's pictures.

    Noise is part of what is learned: the same seed gives the same composition in both. Where both draw from
    latents of the same VAE, the student also learns the teacher's latents, which carry shapes earlier than
    pixels do.

    Args:
        student: What learns. With a language model it reads with the teacher's weights, which stay as they
            are; without one its own text encoder learns to read.
        teacher: What it learns from; as long a noise vector as the student's.
        captions: Wordings of the training pictures; no picture is needed.
        validation: Captions for the figures and the sheet.
        learning_rate: Peak rate.
        canonical_share: Share of the captions read in their first wording; the others in any.
        device: Where to train.
    """

    def __init__(
        self,
        student: TextToImage,
        teacher: TextToImage,
        captions: CaptionRows,
        validation: CaptionRows,
        *,
        learning_rate: float,
        canonical_share: float,
        device: torch.device,
    ) -> None:
        self.student, self.teacher = student.train(), teacher.requires_grad_(False).eval()
        self.captions, self.validation = captions, validation
        self.shares_reading = student.language_model is not None
        self.canonical_share, self.device = canonical_share, device
        student.requires_grad_(False)
        if not self.shares_reading:
            student.text_encoder.requires_grad_(True).train()
        student.prior.set_trainable(True)
        student.decoder.requires_grad_(True)
        own, theirs = student.decoder, teacher.decoder
        self.latent_weights: Tensor | None = None
        if isinstance(own, Decoder) and isinstance(theirs, Decoder):
            self.latent_weights = channel_weights(theirs).to(device)
        self.modules: Mapping[str, torch.nn.Module] = {"student": student, "teacher": teacher}
        self.averaged: Sequence[str] = ("student",)
        self.optimizers: Mapping[str, torch.optim.Optimizer] = {
            "student": torch.optim.AdamW(
                [weight for weight in student.parameters() if weight.requires_grad],
                learning_rate,
                betas=(0.9, 0.98),
                weight_decay=0.01,
            )
        }
        self.n_rows = len(captions)

    def step(self, rows: Tensor, progress: float) -> dict[str, Tensor]:
        """One update towards what the teacher draws from a random wording of each caption."""
        ids = self.captions.any_wording(rows, self.canonical_share)
        noise = torch.randn(len(rows), self.teacher.prior.noise_width, device=self.device)
        with torch.no_grad():
            reading = self.teacher.read(ids)
            target_latents = self.teacher.latents(reading, noise)
            target = self.teacher.decoder(target_latents).float()
        if not self.shares_reading:
            reading = self.student.read(ids)
        latents = self.student.latents(reading, noise)
        drawn = self.student.decoder(latents).float()
        error = F.mse_loss(drawn, target)
        loss = PIXEL_WEIGHT * error + STRUCTURE_WEIGHT * structural_dissimilarity(target, drawn)
        if self.latent_weights is not None:
            apart = (latents.float() - target_latents.float()).square()
            loss = loss + (apart * self.latent_weights).mean()
        self.optimizers["student"].zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.optimizers["student"].param_groups[0]["params"], 1.0)
        self.optimizers["student"].step()
        return {"loss": loss, "error": error}

    def validate(self) -> dict[str, float]:
        """Likeness to the teacher on up to 512 captions.

        Returns:
            ``fidelity``: mean over the captions of the PSNR of the student's picture to the teacher's, in
            decibels; ``objective``, minus that.
        """
        found = []
        for rows in torch.arange(min(len(self.validation), N_VALIDATION)).split(N_CANDIDATES):
            found.append(psnr_of(*self._both(rows)))
        fidelity = float(torch.cat(found).mean())
        return {"objective": -fidelity, "fidelity": fidelity}

    def sheet(self) -> NDArray[np.uint8]:
        """Up to sixteen pictures by the teacher above the student's: uint8 (2S, 16S, 3)."""
        return two_rows(*self._both(torch.arange(min(len(self.validation), N_SHOWN))))

    def _both(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        ids = self.validation.canonical(rows)
        noise = torch.randn(len(rows), self.teacher.prior.noise_width, device=self.device)
        self.student.eval()
        wanted, drawn = (model(ids, noise).float().clamp(-1, 1) for model in (self.teacher, self.student))
        self.student.train()
        return wanted, drawn
