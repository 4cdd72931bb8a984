"""A GAN whose new decoder is first trained by regression to the images of the VAE's decoder."""

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from lexipix.models.text_to_image import TextToImage
from lexipix.models.vae import Decoder
from lexipix.training.tasks.base import Metrics, optimizer_step
from lexipix.training.tasks.gan import GANInputs, GANTask


class PretrainedGANTask(GANTask):
    """Adversarial training after the decoder was distilled from another one of the same latents.

    ``data`` are the other arguments of :class:`GANTask`, with a ``pretrain_fraction``.
    """

    def __init__(self, model: TextToImage, teacher: Decoder, *data: Any) -> None:
        super().__init__(model, *data)
        self.text_to_image, self.teacher = model, teacher
        self.modules = {**self.modules, "teacher": teacher.requires_grad_(False).eval()}
        decoder = torch.optim.Adam(
            model.decoder.parameters(), self.hyperparameters.pretrain_learning_rate, fused=True
        )
        self.optimizers = {**self.optimizers, "decoder": decoder}

    def pretrain_step(self, rows: Tensor) -> Metrics:
        return optimizer_step(self.optimizers["decoder"], self._pretrain_losses, self._sample(rows))

    def _pretrain_losses(self, inputs: GANInputs) -> tuple[Tensor, Metrics]:
        """Squared error to the teacher's image of the same latents."""
        with torch.no_grad():
            latents = self.text_to_image.sample_latents(inputs.encoding, inputs.noise)
            target = self.teacher(latents).float()
        loss = F.mse_loss(self.text_to_image.decoder(latents).float(), target)
        return loss, {"pretrain_loss": loss}
