"""Training of the text prior: regression from caption to latent, with one or several noise vectors."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lexipix.data.images import ImageRows, random_hflip
from lexipix.models.text_to_image import TextToImage
from lexipix.models.vae import Decoder, Encoder
from lexipix.training.accumulation import micro_batches, optimizer_step
from lexipix.training.generator_validation import GeneratorData
from lexipix.training.losses.latents import channel_weights, latent_errors
from lexipix.training.tasks.base import Feedback, Metrics, TrainingTask

GRAD_CLIP = 1.0


class PriorTask(TrainingTask):
    """Trains the prior of a :class:`TextToImage`; language model, VAE encoder and decoder stay as they are.

    With several candidates each noise vector may specialise (implicit maximum likelihood, IMLE, arXiv
    1809.09087); one candidate is plain regression to the mean.

    Args:
        model: The text-to-image model; only its prior learns, and of that not the random features.
        encoder: Of the VAE; gives the targets.
        data: Captioned training images, and the validation.
        learning_rate: Peak rate.
        imle_candidates: Noise vectors per caption, of which the nearest to the target is trained.
        primary_caption_prob: Probability that a caption is read in its first wording; otherwise in any.
        flip: Mirror images; only where captions name no side.
        device: Where to train.
        gradient_accumulation_steps: Micro-batches per update.
        feedback: See :class:`TrainingTask`.
    """

    def __init__(
        self,
        model: TextToImage,
        encoder: Encoder,
        data: GeneratorData,
        *,
        learning_rate: float,
        imle_candidates: int,
        primary_caption_prob: float,
        flip: bool,
        device: torch.device,
        gradient_accumulation_steps: int = 1,
        feedback: Feedback | None = None,
    ) -> None:
        self.model, self.encoder = model, encoder.eval().requires_grad_(False)
        self.images, self.captions = ImageRows(data.images, device), data.captions
        self.validation = data.validation
        self.imle_candidates, self.primary_caption_prob = imle_candidates, primary_caption_prob
        self.flip, self.feedback = flip, feedback
        self.gradient_accumulation_steps = gradient_accumulation_steps
        model.requires_grad_(False).eval()
        model.prior.train()
        model.prior.set_trainable(True)
        assert isinstance(model.decoder, Decoder)  # of the VAE whose encoder gives the targets
        self.channel_weights = channel_weights(model.decoder).to(device)
        self.modules = {"prior": model.prior, "fixed": model, "encoder": self.encoder}
        self.averaged, self.n_rows = ("prior",), len(data.images)
        weights = [weight for weight in model.prior.parameters() if weight.requires_grad]
        self.optimizers = {
            "prior": torch.optim.AdamW(
                weights, learning_rate, betas=(0.9, 0.98), weight_decay=0.02, fused=True
            )
        }

    def step(self, rows: Tensor, progress: float) -> Metrics:
        """One update towards the latents of the images, from a random wording of each caption."""
        batches = micro_batches(rows, self.gradient_accumulation_steps)
        return optimizer_step(self.optimizers["prior"], self._losses, batches, clip=GRAD_CLIP)

    def _losses(self, rows: Tensor) -> tuple[Tensor, Metrics]:
        images = self.images[rows]
        if self.flip:
            images = random_hflip(images, torch.rand(len(rows)))
        with torch.no_grad():
            target = self.encoder(images)[0].float()
            encoding = self.model.encode_text(self.captions.sample(rows, self.primary_caption_prob))
        noise = torch.randn(self.imle_candidates, len(rows), self.model.noise_dim, device=images.device)

        # A caption's plan is the same for every noise vector; only the drawing is repeated
        prior = self.model.prior
        plan = prior.condition(*encoding)
        best = noise[0]
        if self.imle_candidates > 1:  # find the nearest candidate without gradients, then train it alone
            with torch.no_grad():
                errors = torch.stack(
                    [
                        latent_errors(prior.sample_latents(plan, z), target, self.channel_weights)
                        for z in noise
                    ]
                )
                best = noise[errors.argmin(0), torch.arange(len(rows))]
        loss = latent_errors(prior.sample_latents(plan, best), target, self.channel_weights).mean()
        return loss, {"loss": loss}

    def validate(self) -> dict[str, float]:
        """See :class:`lexipix.training.generator_validation.GeneratorValidation`."""
        return self.validation.metrics(self.model)

    def sample_grid(self) -> NDArray[np.uint8]:
        """See :class:`lexipix.training.generator_validation.GeneratorValidation`."""
        return self.validation.sample_grid(self.model)
