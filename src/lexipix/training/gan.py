"""Adversarial training of a text-to-image model, taught by regression before or from random weights."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from lexipix.networks.discriminator import Discriminator, Seen, Verdict
from lexipix.networks.text_to_image import Reading, TextToImage
from lexipix.networks.vae import Decoder
from lexipix.training.captions import CaptionRows
from lexipix.training.contrastive import contrastive_loss
from lexipix.training.data import ImageRows, Images
from lexipix.training.diffaugment import Augmentation, augment
from lexipix.training.drawing import DrawingValidation
from lexipix.training.gan_losses import (
    Adversary,
    discriminator_loss,
    generator_loss,
    gradient_penalty,
    zero_penalty,
)
from lexipix.training.vae import structural_dissimilarity

PENALTY_EVERY = 8  # lazy regularisation: an eighth of the steps pay for the second derivative, eightfold
COMPANY = 4  # pictures of a batch that share a caption
TEACHING_RATE = 2e-3  # of a decoder that learns by regression what another one draws
ALIGNMENT_SCALE = 20.0  # inverse temperature between drawn pictures and captions


class GANTask:
    """Trains prior and decoder of a :class:`TextToImage` against a :class:`Discriminator`.

    Args:
        model: Language model and text encoder stay as they are.
        discriminator: Its frozen encoder also measures whether a drawing fits its caption.
        images: Captioned training pictures, uint8 (N, S, S, 3).
        captions: Their wordings.
        groups: int (N,): equal numbers mark equal captions.
        validation: Figures and sheets on validation rows.
        adversary: See :mod:`lexipix.training.gan_losses`.
        learning_rate: Peak rate of the generator.
        discriminator_learning_rate: Peak rate of the discriminator.
        penalty: Weight of the gradient penalty (``wasserstein``) or of R1 and R2 (the others); 0 is without.
        alignment: Weight of telling, among the batch's captions, which one each drawing was drawn from.
        adversarial: Weight of the adversarial loss.
        anchor: Weight of the squared error to the real picture.
        anchor_cell: Side, in pixels, of the squares over which both are averaged for it.
        structure_weight: Of :func:`structural_dissimilarity` beside it; plain backgrounds stay plain.
        head_start: Share of the training in which the discriminator learns alone.
        teacher: A decoder of the same latents; the model's own learns to draw what this one draws, before
            anything else.
        teaching: Share of the training for that.
        augmentations: See :func:`augment`.
        canonical_share: Share of the captions drawn in their first wording; the others in any.
        flip: Mirror pictures; only where captions name no side.
        device: Where to train.
    """

    def __init__(
        self,
        model: TextToImage,
        discriminator: Discriminator,
        images: Images,
        captions: CaptionRows,
        groups: NDArray[np.int64],
        validation: DrawingValidation,
        *,
        adversary: Adversary,
        learning_rate: float,
        discriminator_learning_rate: float,
        penalty: float,
        alignment: float,
        adversarial: float,
        anchor: float,
        anchor_cell: int,
        head_start: float,
        teacher: Decoder | None = None,
        teaching: float = 0.0,
        structure_weight: float = 0.0,
        augmentations: Sequence[Augmentation],
        canonical_share: float,
        flip: bool,
        device: torch.device,
    ) -> None:
        self.model, self.discriminator = model, discriminator
        self.images, self.captions = ImageRows(images, device), captions
        self.regroup(torch.from_numpy(groups))
        self.validation = validation
        self.adversary, self.penalty = adversary, penalty
        self.alignment, self.anchor = alignment, anchor
        self.augmentations, self.flip = augmentations, flip
        self.canonical_share, self.structure_weight = canonical_share, structure_weight
        self.adversarial, self.anchor_cell = adversarial, anchor_cell
        self.teacher, self.teaching = teacher, teaching if teacher is not None else 0.0
        self.drawing_from = self.teaching + head_start
        model.requires_grad_(False).train()
        model.prior.set_trainable(True)
        model.decoder.requires_grad_(True)
        drawing = [
            weight
            for part in (model.prior, model.decoder)
            for weight in part.parameters()
            if weight.requires_grad
        ]
        judging = [weight for weight in discriminator.parameters() if weight.requires_grad]
        self.modules: Mapping[str, torch.nn.Module] = {"model": model, "discriminator": discriminator}
        self.averaged: Sequence[str] = ("model",)
        self.optimizers: Mapping[str, torch.optim.Optimizer] = {
            "generator": torch.optim.Adam(drawing, learning_rate, betas=(0.0, 0.99)),
            "discriminator": torch.optim.Adam(judging, discriminator_learning_rate, betas=(0.0, 0.99)),
        }
        if teacher is not None:
            taught = torch.optim.Adam(model.decoder.parameters(), TEACHING_RATE)
            self.modules = {**self.modules, "teacher": teacher.requires_grad_(False).eval()}
            self.optimizers = {**self.optimizers, "decoder": taught}
        self.n_rows = len(images)

    def step(self, rows: Tensor, progress: float) -> dict[str, Tensor]:
        """One update of the discriminator, then one of the generator, on the same pictures and captions.

        Before that, where there is a teacher, updates of the decoder alone.
        """
        rows = self.in_company(rows)
        real = self.images[rows]
        if self.flip and torch.rand(()) < 0.5:
            real = real.flip(-1)
        with torch.no_grad():
            reading = self.model.read(self.captions.any_wording(rows, self.canonical_share))
        vector = reading.vector
        noise = torch.randn(len(rows), self.model.prior.noise_width, device=real.device)
        if progress < self.teaching:
            return {"teaching_loss": self._teach(reading, noise)}
        with torch.set_grad_enabled(progress >= self.drawing_from):
            fake = self.model.draw(reading, noise).float()

        # Discriminator: real with its caption against drawn, and against real with another picture's caption
        seen_real = self.discriminator.look(augment(real, self.augmentations))
        seen_fake = self.discriminator.look(augment(fake, self.augmentations))
        on_real = self.discriminator.judge(seen_real, vector, vector.roll(1, 0))
        on_fake = self.discriminator.judge(seen_fake.detach(), vector)
        loss_d = self._over_heads(discriminator_loss, on_real, on_fake)
        different = self.groups[rows] != self.groups[rows].roll(1)
        if different.any():
            assert on_real.misfit is not None
            loss_d = loss_d + discriminator_loss(
                self.adversary, on_real.fit[different], on_real.misfit[different]
            )
        if self.penalty and torch.rand(()) < 1 / PENALTY_EVERY:
            loss_d = loss_d + PENALTY_EVERY * self.penalty * self._gradient_penalty(real, fake, vector)
        self.optimizers["discriminator"].zero_grad()
        loss_d.backward()
        self.optimizers["discriminator"].step()

        # At first the discriminator learns alone: what it says at random ruins a generator that can draw
        if progress < self.drawing_from:
            return {"loss_d": loss_d}

        # Generator: look real, fit the caption, stay near the picture
        self.discriminator.requires_grad_(False)
        on_fake = self.discriminator.judge(seen_fake, vector)
        on_real = self.discriminator.judge(seen_real, vector) if self.adversary == "relativistic" else on_fake
        adversarial = self._over_heads(generator_loss, on_real, on_fake)
        aligned = self._alignment_loss(seen_fake, vector, self.groups[rows])
        near = (F.avg_pool2d(fake, self.anchor_cell) - F.avg_pool2d(real, self.anchor_cell)).square().mean()
        loss_g = self.adversarial * adversarial + self.alignment * aligned + self.anchor * near
        if self.structure_weight:
            loss_g = loss_g + self.structure_weight * structural_dissimilarity(real, fake)
        self.optimizers["generator"].zero_grad()
        loss_g.backward()
        torch.nn.utils.clip_grad_norm_(self.optimizers["generator"].param_groups[0]["params"], 5.0)
        self.optimizers["generator"].step()
        self._unfreeze()
        return {"loss_g": adversarial, "loss_d": loss_d, "alignment_loss": aligned, "anchor": near}

    def regroup(self, groups: Tensor) -> None:
        """Take note of which pictures share a caption: int64 (N,), equal numbers mark equal captions."""
        self.groups, self.by_group = groups, groups.argsort(stable=True)
        self.group_counts = groups.bincount()
        self.group_starts = self.group_counts.cumsum(0) - self.group_counts
        self.place_in_group = torch.empty_like(groups)
        self.place_in_group[self.by_group] = (
            torch.arange(len(groups)) - self.group_starts[groups[self.by_group]]
        )

    def in_company(self, rows: Tensor) -> Tensor:
        """Let each caption of a batch come several times, where other pictures have it too.

        Only then does the discriminator see whether one caption gives one picture or many. Every picture
        stays as likely as before.

        Args:
            rows: Row numbers (B,).

        Returns:
            (B,): the first quarter as it is, and three times others with the same captions; a caption that no
            other picture has leaves its places to the rows that were there.
        """
        n_leaders = -(-len(rows) // COMPANY)
        leaders = rows[:n_leaders].repeat(COMPANY)[: len(rows)]
        counts = self.group_counts[self.groups[leaders]]
        further = 1 + (torch.rand(len(rows)) * (counts - 1)).long()
        further[:n_leaders] = 0
        starts = self.group_starts[self.groups[leaders]]
        company = self.by_group[starts + (self.place_in_group[leaders] + further) % counts]
        return torch.where(counts > 1, company, rows)

    def _teach(self, reading: Reading, noise: Tensor) -> Tensor:
        """One update of the decoder towards what the teacher draws from the same latents."""
        assert self.teacher is not None
        with torch.no_grad():
            latents = self.model.latents(reading, noise)
            target = self.teacher(latents).float()
        loss = F.mse_loss(self.model.decoder(latents).float(), target)
        self.optimizers["decoder"].zero_grad()
        loss.backward()
        self.optimizers["decoder"].step()
        return loss

    def _over_heads(
        self, loss: Callable[[Adversary, Tensor, Tensor], Tensor], real: Verdict, fake: Verdict
    ) -> Tensor:
        """A loss of whole pictures and of places; each head counts alike, however many places it sees."""
        places = [loss(self.adversary, *pair) for pair in zip(real.patches, fake.patches, strict=True)]
        return loss(self.adversary, real.fit, fake.fit) + torch.stack(places).mean()

    def _gradient_penalty(self, real: Tensor, fake: Tensor, vector: Tensor) -> Tensor:
        def judge(images: Tensor) -> Tensor:
            verdict: Verdict = self.discriminator(images, vector)
            return torch.cat([verdict.fit, *(places.mean(1, keepdim=True) for places in verdict.patches)], 1)

        with torch.autocast(real.device.type, enabled=False):
            vector = vector.float()
            if self.adversary == "wasserstein":
                return gradient_penalty(judge, real.float(), fake.float())
            return zero_penalty(judge, real.float()) + zero_penalty(judge, fake.float())

    def _alignment_loss(self, fake: Seen, vector: Tensor, groups: Tensor) -> Tensor:
        if not self.alignment:
            return torch.zeros((), device=vector.device)
        drawn = self.discriminator.image_encoder.summarise(fake.maps).vector.float()
        similarities = ALIGNMENT_SCALE * drawn @ vector.float().T
        same = torch.eq(groups[:, None], groups[None])
        return contrastive_loss(similarities, same.to(vector.device))

    def _unfreeze(self) -> None:
        self.discriminator.heads.requires_grad_(True)
        self.discriminator.pixels.requires_grad_(True)

    def validate(self) -> dict[str, float]:
        """See :class:`DrawingValidation`."""
        return self.validation.figures(self.model)

    def sheet(self) -> NDArray[np.uint8]:
        """See :class:`DrawingValidation`."""
        return self.validation.sheet(self.model)
