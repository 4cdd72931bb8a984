"""A GAN whose decoder of its own first learns by regression what the VAE's draws from the same latents."""

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from lexipix.models.text_to_image import TextToImage
from lexipix.models.vae import Decoder
from lexipix.training.tasks.gan import GANTask

TEACHING_RATE = 2e-3


class TaughtGANTask(GANTask):
    """Adversarial training after lessons by another decoder.

    Args:
        model: Language model and text encoder stay as they are.
        teacher: Another decoder of the same latents.
        given: As for :class:`GANTask`.
        settings: Likewise, ``teaching`` among them.
    """

    def __init__(self, model: TextToImage, teacher: Decoder, *given: Any, **settings: Any) -> None:
        super().__init__(model, *given, **settings)
        self.drawer, self.teacher = model, teacher
        taught = torch.optim.Adam(model.decoder.parameters(), TEACHING_RATE, fused=True)
        self.modules = {**self.modules, "teacher": teacher.requires_grad_(False).eval()}
        self.optimizers = {**self.optimizers, "decoder": taught}

    def lesson(self, rows: Tensor) -> dict[str, Tensor]:
        """One update of the decoder alone."""
        again = self.share.again()
        return self.share.update(self.optimizers["decoder"], lambda: self._teach(rows), again=again)

    def _teach(self, rows: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """The decoder towards what the teacher draws from the same latents."""
        prompts = self._prompts(rows)
        with torch.no_grad():
            latents = self.drawer.sample_latents(prompts.reading, prompts.noise)
            target = self.teacher(latents).float()
        loss = F.mse_loss(self.drawer.decoder(latents).float(), target)
        return loss, {"teaching_loss": loss}
