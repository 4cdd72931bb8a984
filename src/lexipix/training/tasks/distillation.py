"""Teaching a smaller text-to-image model to draw what a trained one draws, from the same words and noise."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from lexipix.data.caption_batches import CaptionRows
from lexipix.data.images import N_VALIDATION, batch_psnr, denormalize, normalize
from lexipix.models.text_to_image import TextToImage
from lexipix.models.vae import Decoder
from lexipix.training.generator_validation import N_SHOWN
from lexipix.training.sample_grid import two_rows
from lexipix.training.tasks.prior import channel_weights
from lexipix.training.tasks.vae import structural_dissimilarity
from lexipix.utils.progress import track

AT_ONCE = 64  # images that the teacher draws together
# Squared errors of pictures are about a hundredth of those of whitened latents, and 1 - SSIM a tenth
PIXEL_WEIGHT = 20.0
STRUCTURE_WEIGHT = 1.0


class Drawn(NamedTuple):
    """What a model draws of the first wordings of captions.

    Attributes:
        noise: (N, Z).
        latents: (N, C, 8, 8); None where they are not a VAE's, whose numbers all count alike.
        pictures: uint8 (N, S, S, 3).
    """

    noise: Tensor
    latents: Tensor | None
    pictures: Tensor


@torch.no_grad()
def draw_lessons(
    teacher: TextToImage, captions: CaptionRows, n: int, name: str, device: torch.device
) -> Drawn:
    """Draw the first ``n`` captions, each once, from noise of torch's global generator.

    Args:
        teacher: Draws, where it is; in evaluation mode.
        captions: Wordings of pictures.
        n: How many; all, where there are fewer.
        name: Shown beside the progress bar.
        device: Where the teacher is, and the lessons go.
    """
    n = min(n, len(captions))
    noise = torch.randn(n, teacher.noise_dim, device=device)
    kept, pictures = [], []
    for rows in track(torch.arange(n).split(AT_ONCE), n, f"{name}: drawing", size=len):
        latents = teacher.sample_latents(teacher.encode_text(captions.primary(rows)), noise[rows])
        pictures.append(denormalize(teacher.decoder(latents)))
        if isinstance(teacher.decoder, Decoder):
            kept.append(latents)
    return Drawn(noise, torch.cat(kept) if kept else None, torch.cat(pictures).contiguous())


class DistillationTask:
    """Trains a student :class:`TextToImage` by regression to a teacher's pictures.

    Noise is part of what is learned: the same seed gives the same composition in both. Where both draw from
    latents of the same kind, the student also learns the teacher's latents, which carry shapes earlier than
    pixels do. What reads is left as it is: it is the teacher's, or was taught before.

    Args:
        student: What learns.
        lessons: What the teacher draws of the captions.
        validation_lessons: What it draws of the validation captions, for the figures and the sheet.
        captions: Wordings of the training pictures; no picture is needed.
        validation: Wordings of the validation pictures.
        learning_rate: Peak rate.
        canonical_share: Share of the captions read in their first wording; the others in any.
        device: Where to train.
    """

    def __init__(
        self,
        student: TextToImage,
        lessons: Drawn,
        validation_lessons: Drawn,
        captions: CaptionRows,
        validation: CaptionRows,
        *,
        learning_rate: float,
        canonical_share: float,
        device: torch.device,
    ) -> None:
        self.student = student.train()
        self.lessons, self.validation_lessons = lessons, validation_lessons
        self.captions, self.validation = captions, validation
        self.canonical_share, self.device = canonical_share, device
        student.requires_grad_(False)
        student.prior.set_trainable(True)
        for reading in (student.prior.proj_in, student.prior.text_layers, student.prior.text_norm):
            reading.requires_grad_(False)
        student.decoder.requires_grad_(True)
        self.latent_weights: Tensor | None = None
        if isinstance(student.decoder, Decoder):
            self.latent_weights = channel_weights(student.decoder).to(device)
        self.modules: Mapping[str, torch.nn.Module] = {"student": student}
        self.averaged: Sequence[str] = ("student",)
        self.weights = [weight for weight in student.parameters() if weight.requires_grad]
        self.optimizers: Mapping[str, torch.optim.Optimizer] = {
            "student": torch.optim.AdamW(
                self.weights, learning_rate, betas=(0.9, 0.98), weight_decay=0.01, fused=True
            )
        }
        self.n_rows = len(lessons.noise)

    def step(self, rows: Tensor, progress: float) -> dict[str, Tensor]:
        """One update towards what the teacher draws, from a random wording of each caption."""
        ids = self.captions.sample(rows, self.canonical_share)
        target = normalize(self.lessons.pictures[rows])
        latents = self.student.sample_latents(self.student.encode_text(ids), self.lessons.noise[rows])
        drawn = self.student.decoder(latents).float()
        error = F.mse_loss(drawn, target)
        loss = PIXEL_WEIGHT * error + STRUCTURE_WEIGHT * structural_dissimilarity(target, drawn)
        if self.latent_weights is not None and self.lessons.latents is not None:
            apart = (latents.float() - self.lessons.latents[rows]).square()
            loss = loss + (apart * self.latent_weights).mean()
        self.optimizers["student"].zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.weights, 1.0)
        self.optimizers["student"].step()
        return {"loss": loss, "error": error}

    def validate(self) -> dict[str, float]:
        """Likeness to the teacher on up to 512 captions.

        Returns:
            ``fidelity``: mean over the captions of the PSNR of the student's picture to the teacher's, in
            decibels; ``objective``, minus that.
        """
        n = min(len(self.validation_lessons.noise), N_VALIDATION)
        found = [batch_psnr(*self._both(rows)) for rows in torch.arange(n).split(AT_ONCE)]
        fidelity = float(torch.cat(found).mean())
        return {"objective": -fidelity, "fidelity": fidelity}

    def sheet(self) -> NDArray[np.uint8]:
        """Up to sixteen pictures by the teacher above the student's: uint8 (height, width, 3)."""
        return two_rows(*self._both(torch.arange(min(len(self.validation_lessons.noise), N_SHOWN))))

    def _both(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        lessons = self.validation_lessons
        self.student.eval()
        drawn = self.student(self.validation.primary(rows), lessons.noise[rows])
        self.student.train()
        return normalize(lessons.pictures[rows]), drawn.float().clamp(-1, 1)
