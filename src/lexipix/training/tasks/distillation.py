"""Distillation of a text-to-image model: a smaller student regresses the teacher's images and latents."""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from lexipix.data.caption_batches import CaptionRows
from lexipix.data.images import N_VALIDATION, batch_psnr, denormalize, normalize
from lexipix.models.text_to_image import TextToImage
from lexipix.models.vae import Decoder
from lexipix.training.losses.latents import channel_weights, latent_errors
from lexipix.training.losses.ssim import structural_dissimilarity
from lexipix.training.muon import Muon
from lexipix.training.sample_grid import two_rows
from lexipix.training.tasks.base import Metrics, NetworkTask, SampleGrid, trainable
from lexipix.utils.progress import track

AT_ONCE = 64  # images or captions of the teacher in one batch

# Squared errors of images are about a hundredth of those of whitened latents, and 1 - SSIM a tenth
PIXEL_WEIGHT = 20.0
SSIM_WEIGHT = 1.0
N_SHOWN = 16


class TeacherImages(NamedTuple):
    """What a teacher generates from primary captions."""

    noise: Tensor  # (N, Z)
    latents: Tensor | None  # (N, C, 8, 8), if a VAE's decoder reads them
    images: Tensor  # uint8 (N, S, S, 3)


@torch.no_grad()
def generate_targets(teacher: TextToImage, captions: CaptionRows, n: int, name: str) -> TeacherImages:
    """Return what the teacher generates from the first ``n`` captions, or all if fewer, on their device.

    The noise is from torch's global generator; ``name`` is shown beside the progress bar.
    """
    n = min(n, len(captions))
    noise = torch.randn(n, teacher.noise_dim, device=captions.device)
    all_latents, images = [], []
    for rows in track(torch.arange(n).split(AT_ONCE), n, name, size=len):
        latents = teacher.sample_latents(teacher.encode_text(captions.primary(rows)), noise[rows])
        images.append(denormalize(teacher.decoder(latents)))
        if isinstance(teacher.decoder, Decoder):
            all_latents.append(latents)
    kept = torch.cat(all_latents) if all_latents else None
    return TeacherImages(noise, kept, torch.cat(images).contiguous())


class DistillationTask(NetworkTask):
    """Trains a student :class:`TextToImage` by regression to a teacher's images.

    Noise is part of what is learned: one seed gives the same composition in both. Where both decode latents
    of the same VAE, the student also regresses the teacher's latents, which carry shapes earlier than pixels
    do. The text encoding is not trained: it is the teacher's, or was distilled before. The caption of an
    image is the primary one with ``primary_caption_prob``, otherwise any paraphrase.
    """

    def __init__(
        self,
        student: TextToImage,
        targets: TeacherImages,
        validation_targets: TeacherImages,
        captions: CaptionRows,
        validation: CaptionRows,
        *,
        learning_rate: float,
        primary_caption_prob: float,
    ) -> None:
        student.train().requires_grad_(False)
        student.prior.requires_grad_(True)
        for text_part in (student.prior.proj_in, student.prior.text_layers, student.prior.text_norm):
            text_part.requires_grad_(False)
        student.decoder.requires_grad_(True)
        optimizer = Muon(student, [{"params": trainable(student)}], learning_rate, 0.98, 0.01)
        super().__init__("student", student, optimizer, len(targets.noise))
        self.student, self.primary_caption_prob = student, primary_caption_prob
        self.targets, self.validation_targets = targets, validation_targets
        self.captions, self.validation = captions, validation
        self.channel_weights: Tensor | None = None
        if isinstance(student.decoder, Decoder) and targets.latents is not None:
            self.channel_weights = channel_weights(student.decoder).to(captions.device)

    def losses(self, rows: Tensor, progress: float) -> tuple[Tensor, Metrics]:
        ids = self.captions.sample(rows, self.primary_caption_prob)
        target = normalize(self.targets.images[rows])
        latents = self.student.sample_latents(self.student.encode_text(ids), self.targets.noise[rows])
        images = self.student.decoder(latents).float()
        error = F.mse_loss(images, target)
        loss = PIXEL_WEIGHT * error + SSIM_WEIGHT * structural_dissimilarity(target, images)
        if self.channel_weights is not None and self.targets.latents is not None:
            loss = loss + latent_errors(latents, self.targets.latents[rows], self.channel_weights).mean()
        return loss, {"loss": loss, "error": error}

    def validate(self) -> dict[str, float]:
        """Return ``fidelity``, mean PSNR to the teacher's images in decibels, on up to 512 captions."""
        n = min(len(self.validation_targets.noise), N_VALIDATION)
        psnr = [batch_psnr(*self._compare(rows)) for rows in torch.arange(n).split(AT_ONCE)]
        fidelity = float(torch.cat(psnr).mean())
        return {"objective": -fidelity, "fidelity": fidelity}

    def sample_grid(self) -> SampleGrid:
        """Return up to 16 images by the teacher above the student's: uint8 (height, width, 3)."""
        return two_rows(*self._compare(torch.arange(min(len(self.validation_targets.noise), N_SHOWN))))

    def _compare(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        targets = self.validation_targets
        self.student.eval()
        images = self.student(self.validation.primary(rows), targets.noise[rows])
        self.student.train()
        return normalize(targets.images[rows]), images.float().clamp(-1, 1)
