"""Training of the text prior: regression from caption to latent, or with the best of several noises."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lexipix.data.caption_batches import CaptionRows
from lexipix.data.images import ImageRows, Images, random_hflip
from lexipix.models.text_to_image import TextToImage
from lexipix.models.vae import Decoder, Encoder
from lexipix.training.generator_validation import GeneratorValidation
from lexipix.training.parallel import Share
from lexipix.training.random_features import remember
from lexipix.training.steady import STEADY, Steady


def best_of_noises(errors: Tensor) -> Tensor:
    """Mean over pictures of the smallest error among the candidates (implicit maximum likelihood, IMLE).

    Args:
        errors: (K, B), error of K candidates for each of B pictures.

    Returns:
        Scalar. With K = 1 it is plain regression to the mean; with more, each noise may specialise.
    """
    return errors.amin(0).mean()


def channel_weights(decoder: Decoder) -> Tensor:
    """How much an error of each whitened component of the latents counts: (1, C, 1, 1), 1 on average.

    By what it does to the picture, by the root of its share of the squared pixel error: with the share itself
    shapes are learned late, with no weights hardly anything is.
    """
    effect = decoder.linear.weight.detach().flatten(1).norm(dim=0)
    weights: Tensor = (effect / effect.mean())[None, :, None, None]
    return weights


class PriorTask:
    """Trains the prior of a :class:`TextToImage`; language model, VAE encoder and decoder stay as they are.

    Args:
        model: The text-to-image model; only its prior learns. A memory is solved here, before the training.
        encoder: Of the VAE; gives the targets.
        images: Captioned training pictures, uint8 (N, S, S, 3).
        captions: Their wordings.
        validation: Figures and sheets on validation rows.
        learning_rate: Peak rate.
        noises: Candidates per picture, see :func:`best_of_noises`.
        canonical_share: Share of the captions drawn in their first wording; the others in any.
        flip: Mirror pictures; only where captions name no side.
        device: Where to train.
        share: Where batches are shared out.
    """

    steering: Steady = STEADY

    def __init__(
        self,
        model: TextToImage,
        encoder: Encoder,
        images: Images,
        captions: CaptionRows,
        validation: GeneratorValidation,
        *,
        learning_rate: float,
        noises: int,
        canonical_share: float,
        flip: bool,
        device: torch.device,
        share: Share | None = None,
    ) -> None:
        self.share = share or Share()
        self.model, self.encoder = model, encoder.eval().requires_grad_(False)
        self.images, self.captions = ImageRows(images, device), captions
        self.validation = validation
        self.noises, self.flip = noises, flip
        self.canonical_share = canonical_share
        model.requires_grad_(False).eval()
        if (
            model.prior.random_features is not None and self.share.rank == 0
        ):  # whose weights the others are given
            remember(model, self.encoder, self.images, captions, device, canonical_share)
        model.prior.train()
        model.prior.set_trainable(True)
        assert isinstance(model.decoder, Decoder)  # whose latents the encoder gives
        self.channel_weights = channel_weights(model.decoder).to(device)
        self.modules: Mapping[str, torch.nn.Module] = {
            "prior": model.prior,
            "fixed": model,
            "encoder": self.encoder,
        }
        self.averaged: Sequence[str] = ("prior",)
        self.optimizers: Mapping[str, torch.optim.Optimizer] = {
            "prior": torch.optim.AdamW(
                [weight for weight in model.prior.parameters() if weight.requires_grad],
                learning_rate,
                betas=(0.9, 0.98),
                weight_decay=0.02,
                fused=True,
            )
        }
        self.n_rows = len(images)

    def step(self, rows: Tensor, progress: float) -> dict[str, Tensor]:
        """One update towards the latents of the given pictures, from a random wording of each caption."""
        return self.share.update(self.optimizers["prior"], lambda: self._losses(rows), clip=1.0)

    def _losses(self, rows: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        own = self.share.own
        images = self.images[own(rows)]
        if self.flip:
            images = random_hflip(images, own(torch.rand(len(rows))))
        with torch.no_grad():
            target = self.encoder(images)[0].float()
            reading = self.model.encode_text(own(self.captions.sample(rows, self.canonical_share)))
        noise = torch.randn(self.noises, len(rows), self.model.noise_dim, device=images.device)
        noise = torch.stack([own(z) for z in noise])
        if self.noises > 1:  # find the best candidate without gradients, then learn from it alone
            with torch.no_grad():
                guesses = torch.stack([self.model.sample_latents(reading, z) for z in noise]).float()
                best = (guesses - target).square().mul(self.channel_weights).mean((2, 3, 4)).argmin(0)
            noise = noise[best, torch.arange(len(images))][None]
        guess = self.model.sample_latents(reading, noise[0]).float()
        errors = (guess[None] - target).square().mul(self.channel_weights).mean((2, 3, 4))
        loss = best_of_noises(errors)
        return loss, {"loss": loss}

    def validate(self) -> dict[str, float]:
        """See :class:`GeneratorValidation`."""
        return self.validation.figures(self.model)

    def sheet(self) -> NDArray[np.uint8]:
        """See :class:`GeneratorValidation`."""
        return self.validation.sheet(self.model)
