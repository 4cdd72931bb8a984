"""Training of the token generator: it predicts hidden image tokens, then generates against a discriminator.

Only the latter teaches that tokens of different cells fit each other when all are sampled at once.
"""

from typing import Any

import torch
from torch import Tensor

from lexipix.data.images import N_VALIDATION, random_hflip
from lexipix.models.token_generator import CELLS
from lexipix.models.tokens_to_image import TokensToImage
from lexipix.training.losses.tokens import (
    hidden_cell_counts,
    hide,
    known_token_counts,
    token_losses,
    tokens_to_predict,
)
from lexipix.training.muon import Muon
from lexipix.training.tasks.base import Metrics, micro_batches, optimizer_step
from lexipix.training.tasks.gan import GANTask

GRAD_CLIP = 1.0


class TokenGeneratorTask(GANTask):
    """Trains the token generator of a :class:`TokensToImage`; the pretraining is the prediction."""

    def __init__(self, model: TokensToImage, *data: Any) -> None:  # as for GANTask
        super().__init__(model, *data)
        hp = self.hyperparameters
        self.tokens_to_image = model
        prediction = Muon(model, [{"params": model.unfreeze()}], hp.pretrain_learning_rate, 0.98, 0.02)
        self.optimizers = {**self.optimizers, "prediction": prediction}
        self.lr_restarts = (hp.pretrain_fraction,) if hp.pretrain_fraction < 1 else ()
        self.uses_cuda_graphs = False  # each decoding step branches on whether any token is left to write

    def pretrain_step(self, rows: Tensor) -> Metrics:
        batches = micro_batches(rows, self.hyperparameters.gradient_accumulation_steps)
        return optimizer_step(self.optimizers["prediction"], self._prediction_losses, batches, clip=GRAD_CLIP)

    def _prediction_losses(self, rows: Tensor) -> tuple[Tensor, Metrics]:
        hp, images = self.hyperparameters, self.images[rows]
        if hp.flip:
            images = random_hflip(images, torch.rand(len(rows)))
        ids = self.captions.sample(rows, hp.primary_caption_prob)
        known = known_token_counts(len(rows), self.tokens_to_image.token_generator.tokens_per_cell)
        # The first token is predicted from any number of neighbors (MaskGIT's cosine schedule, arXiv
        # 2202.04200), the others in all cells at once
        fractions = torch.cos(torch.rand(len(rows)) * torch.pi / 2)
        n_hidden = hidden_cell_counts(torch.where(known == 0, fractions, 1.0))
        losses = self._token_losses(images, ids, known, n_hidden)
        loss = torch.stack(losses).mean()
        return loss, {"prediction_loss": loss} | _by_codebook(losses)

    def _token_losses(self, images: Tensor, ids: Tensor, known: Tensor, n_hidden: Tensor) -> list[Tensor]:
        """Return the loss of each codebook; the noise vector is zero, since it does not predict tokens."""
        generator, device = self.tokens_to_image.token_generator, images.device
        order = torch.rand(len(ids), CELLS).to(device)
        known, n_hidden = known.to(device), n_hidden.to(device)
        with torch.no_grad():
            tokens = self.tokens_to_image.image_tokenizer.tokenize(images)
            encoding = self.tokens_to_image.encode_text(ids)
        partial = hide(tokens, known, n_hidden, order, generator.codebook_sizes)
        noise = torch.zeros(len(ids), generator.noise_dim, device=device)
        states = generator.encode_cells(encoding, generator.embed_cells(encoding, noise, partial))
        return token_losses(generator, states, tokens, tokens_to_predict(generator, partial, known))

    def validate(self) -> dict[str, float]:
        """Return the metrics of generated images, and the loss of each token given those before it."""
        rows = torch.arange(min(len(self.validation.images), N_VALIDATION))
        known = rows % self.tokens_to_image.token_generator.tokens_per_cell
        ids = self.validation.captions.primary(rows)
        losses = self._token_losses(self.validation.images[rows], ids, known, torch.full((len(rows),), CELLS))
        metrics = self.validation.metrics(self.model)
        return metrics | {key: float(loss) for key, loss in _by_codebook(losses).items()}


def _by_codebook(losses: list[Tensor]) -> Metrics:
    return {f"loss_of_{number}": loss for number, loss in enumerate(losses, 1)}
