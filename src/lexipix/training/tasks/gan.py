"""Adversarial training of a model that draws from captions, taught before or from random weights."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from lexipix.data.augmentation import Augmentation, augment
from lexipix.data.caption_batches import CaptionRows
from lexipix.data.caption_groups import CaptionGroups
from lexipix.data.images import ImageRows, Images, random_hflip
from lexipix.models.conditional_generator import ConditionalGenerator
from lexipix.models.discriminator import Discriminator, DiscriminatorFeatures, DiscriminatorLogits
from lexipix.training.cuda_graphs import CudaGraphRunner
from lexipix.training.generator_validation import GeneratorValidation
from lexipix.training.losses.energy import energy_loss
from lexipix.training.losses.gan import (
    Adversary,
    alignment_loss,
    discriminator_loss,
    generator_loss,
    gradient_penalty,
    sum_head_losses,
    zero_penalty,
)
from lexipix.training.parallel import Share
from lexipix.training.steady import STEADY, Steady
from lexipix.training.tasks.vae import structural_dissimilarity

PENALTY_EVERY = 8  # lazy regularisation: an eighth of the steps pay for the second derivative, eightfold
CELLS = 4  # side of the grid that features are averaged to before distributions are compared


class Prompts(NamedTuple):
    """What is drawn from in one step, and what it is compared with.

    Attributes:
        real: This process's own pictures, (b, 3, S, S).
        reading: What the model reads in their captions, a tuple of tensors.
        noise: (b, Z).
        groups: int (B,), of the rows of all processes: equal numbers mark equal captions.
    """

    real: Tensor
    reading: Any
    noise: Tensor
    groups: Tensor


class Batch(NamedTuple):
    """What the discriminator and the generator look at in one step.

    Attributes:
        real: This process's own pictures, (b, 3, S, S).
        fake: What is drawn from their captions.
        seen_real: What the discriminator judges of them, augmented,
        seen_fake: and of those that are drawn.
        vector: The captions' vectors, (b, V).
        groups: int (B,), of the rows of all processes: equal numbers mark equal captions.
    """

    real: Tensor
    fake: Tensor
    seen_real: DiscriminatorFeatures
    seen_fake: DiscriminatorFeatures
    vector: Tensor
    groups: Tensor


def _others(rows: Tensor) -> Tensor:
    """Each row's neighbour."""
    return rows.roll(1, 0)


class GANTask:
    """Trains what draws from captions against a :class:`Discriminator`.

    Args:
        model: What of it learns is its own to say (``release``).
        discriminator: Its frozen encoder also measures whether a drawing fits its caption.
        images: Captioned training pictures, uint8 (N, S, S, 3).
        captions: Their wordings.
        groups: int (N,): equal numbers mark equal captions.
        validation: Figures and sheets on validation rows.
        adversary: See :mod:`lexipix.training.losses.gan`.
        learning_rate: Peak rate of the generator.
        discriminator_learning_rate: Peak rate of the discriminator.
        penalty: Weight of the gradient penalty (``wasserstein``) or of R1 and R2 (the others); 0 is without.
        alignment: Weight of :func:`alignment_loss`.
        adversarial: Weight of the adversarial loss.
        anchor: Weight of the squared error to the real picture.
        anchor_cell: Side, in pixels, of the squares over which both are averaged for it.
        structure_weight: Of :func:`structural_dissimilarity` beside it; plain backgrounds stay plain.
        variety: Weight of :func:`energy_loss` between the drawings of a caption and its real pictures.
        head_start: Share of the training in which the discriminator learns alone.
        teaching: Share of the training before that in which the model has a :meth:`lesson` of another kind.
        augmentations: See :func:`augment`.
        canonical_share: Share of the captions drawn in their first wording; the others in any.
        flip: Mirror pictures; only where captions name no side.
        device: Where to train.
        share: Where batches are shared out.
    """

    steering: Steady = STEADY
    restarts: Sequence[float] = ()
    recording: CudaGraphRunner | None = None

    def __init__(
        self,
        model: ConditionalGenerator,
        discriminator: Discriminator,
        images: Images,
        captions: CaptionRows,
        groups: NDArray[np.int64],
        validation: GeneratorValidation,
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
        teaching: float = 0.0,
        structure_weight: float = 0.0,
        variety: float = 0.0,
        augmentations: Sequence[Augmentation],
        canonical_share: float,
        flip: bool,
        device: torch.device,
        share: Share | None = None,
    ) -> None:
        self.share = share or Share()
        self.share.connect(model, discriminator)
        self.model, self.discriminator = model, discriminator
        self.images, self.captions = ImageRows(images, device), captions
        self.groups = CaptionGroups(torch.from_numpy(groups))
        self.validation = validation
        self.adversary, self.penalty = adversary, penalty
        self.alignment, self.anchor = alignment, anchor
        self.augmentations, self.flip = augmentations, flip
        self.canonical_share, self.structure_weight = canonical_share, structure_weight
        self.variety = variety
        self.adversarial, self.anchor_cell = adversarial, anchor_cell
        self.teaching, self.drawing_from = teaching, teaching + head_start
        self.learns_from = self.drawing_from if teaching < 1 else 0.0  # lessons alone teach from the start
        model.train()
        drawing = model.unfreeze()
        judging = [weight for weight in discriminator.parameters() if weight.requires_grad]
        self.modules: Mapping[str, torch.nn.Module] = {"model": model, "discriminator": discriminator}
        self.averaged: Sequence[str] = ("model",)
        self.optimizers: Mapping[str, torch.optim.Optimizer] = {
            "generator": torch.optim.Adam(drawing, learning_rate, betas=(0.0, 0.99), fused=True),
            "discriminator": torch.optim.Adam(
                judging, discriminator_learning_rate, betas=(0.0, 0.99), fused=True
            ),
        }
        self.n_rows = len(images)

    def step(self, rows: Tensor, progress: float) -> dict[str, Tensor]:
        """One update of the discriminator, then one of the generator, on the same pictures and captions.

        Before that, for a share of the training, lessons.

        With micro-batches each player's update is made of all of them, the generator's after the
        discriminator's. What compares pictures with each other (batch norm, the pixel head, the alignment)
        then sees a micro-batch instead of a batch, and pictures are drawn anew for the generator's update.
        """
        if progress < self.teaching:
            return self.lesson(rows)
        drawing = progress >= self.drawing_from
        if self.recording is None:
            return self._updates(lambda: self._prompts(rows), drawing)
        real, reading, noise, groups = self._prompts(rows)

        def updates(real: Tensor, noise: Tensor, groups: Tensor, *parts: Tensor) -> dict[str, Tensor]:
            return self._updates(lambda: Prompts(real, type(reading)(*parts), noise, groups), drawing)

        return self.recording(updates, (real, noise, groups, *reading), drawing)

    def record(self) -> None:
        """Let steps on a GPU be recorded and replayed from now on, where all of them are alike.

        They are not where a penalty is paid now and then, or where reports change the weights of losses.
        """
        if self.share.parts == 1 and not self.penalty and self.steering is STEADY:
            self.recording = CudaGraphRunner(self.optimizers.values())

    def _updates(self, prompts: Callable[[], Prompts], drawing: bool) -> dict[str, Tensor]:
        """The discriminator's update and, if ``drawing``, the generator's."""
        again = self.share.again()
        batches: dict[int, Batch] = {}

        def batch() -> Batch:
            if self.share.turn not in batches:
                batches.clear()  # a micro-batch is let go before the next is drawn
                batches[self.share.turn] = self._batch(prompts(), with_gradients=drawing)
            return batches[self.share.turn]

        judging = self.share.update(
            self.optimizers["discriminator"], lambda: self._judging(batch()), again=again
        )
        # At first the discriminator learns alone: what it says at random ruins a generator that can draw
        if not drawing:
            return judging
        self.discriminator.requires_grad_(False)
        drawn = self.share.update(
            self.optimizers["generator"], lambda: self._drawing(batch()), clip=5.0, again=again
        )
        self._unfreeze()
        return {"loss_g": drawn.pop("loss_g"), **judging, **drawn}

    def lesson(self, rows: Tensor) -> dict[str, Tensor]:
        """One update of another kind; a model without lessons has no ``teaching`` either."""
        raise NotImplementedError

    def _prompts(self, rows: Tensor) -> Prompts:
        """Pictures in company, what is read in their captions, and noise."""
        own, rows = self.share.own, self.groups.in_company(rows)
        real = self.images[own(rows)]
        if self.flip:
            real = random_hflip(real, own(torch.rand(len(rows))))
        with torch.no_grad():
            reading = self.model.encode_text(own(self.captions.sample(rows, self.canonical_share)))
        noise = own(torch.randn(len(rows), self.model.noise_dim, device=real.device))
        groups = self.groups.of_rows[self.share.of_turn(rows)].to(real.device)
        return Prompts(real, reading, noise, groups)

    def _batch(self, prompts: Prompts, with_gradients: bool) -> Batch:
        real, reading, noise, groups = prompts
        with torch.set_grad_enabled(with_gradients):
            fake = self.model.decode(reading, noise).float()
        seen_real = self.discriminator.extract(augment(real, self.augmentations, self.share))
        seen_fake = self.discriminator.extract(augment(fake, self.augmentations, self.share))
        return Batch(real, fake, seen_real, seen_fake, reading.embedding, groups)

    def _judging(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """Discriminator: real with its caption against drawn, and against real with another picture's."""
        vector, groups = batch.vector, batch.groups
        on_real = self.discriminator.classify(batch.seen_real, vector, self.share.jointly(_others, vector))
        on_fake = self.discriminator.classify(batch.seen_fake.detach(), vector)
        loss = sum_head_losses(discriminator_loss, self.adversary, on_real, on_fake)
        assert on_real.mismatch_logits is not None
        fit, misfit = self.share.together(on_real.match_logits), self.share.together(on_real.mismatch_logits)
        loss = loss + discriminator_loss(self.adversary, fit, misfit, groups != _others(groups))
        if self.penalty and torch.rand(()) < 1 / PENALTY_EVERY:
            loss = loss + PENALTY_EVERY * self.penalty * self._gradient_penalty(batch)
        return loss, {"loss_d": loss}

    def _drawing(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """Generator: look real, fit the caption, stay near the picture."""
        real, fake, vector = batch.real, batch.fake, batch.vector
        on_fake = self.discriminator.classify(batch.seen_fake, vector)
        on_real = on_fake
        if self.adversary == "relativistic":
            on_real = self.discriminator.classify(batch.seen_real, vector)
        adversarial = sum_head_losses(generator_loss, self.adversary, on_real, on_fake)
        aligned = self._alignment_loss(batch)
        near = (F.avg_pool2d(fake, self.anchor_cell) - F.avg_pool2d(real, self.anchor_cell)).square().mean()
        loss = self.adversarial * adversarial + self.alignment * aligned + self.anchor * near
        if self.structure_weight:
            loss = loss + self.structure_weight * structural_dissimilarity(real, fake)
        figures = {"loss_g": adversarial, "alignment_loss": aligned, "anchor": near}
        if self.variety:
            apart = self._distance_of_captions(batch)
            loss, figures["energy_distance"] = loss + self.variety * apart, apart
        return loss, figures

    def _gradient_penalty(self, batch: Batch) -> Tensor:
        real, fake, vector = batch.real.float(), batch.fake.float(), batch.vector.float()

        def judge(images: Tensor) -> Tensor:
            verdict: DiscriminatorLogits = self.discriminator(images, vector)
            return torch.cat(
                [verdict.match_logits, *(places.mean(1, keepdim=True) for places in verdict.patch_logits)], 1
            )

        with torch.autocast(real.device.type, enabled=False):
            if self.adversary == "wasserstein":
                return gradient_penalty(judge, real, fake, self.share)
            return zero_penalty(judge, real) + zero_penalty(judge, fake)

    def _alignment_loss(self, batch: Batch) -> Tensor:
        if not self.alignment:
            return torch.zeros((), device=batch.vector.device)
        own = self.discriminator.image_encoder.features_from_maps(batch.seen_fake.maps).embedding.float()
        together = self.share.together
        return alignment_loss(together(own), together(batch.vector.float()), batch.groups)

    def _distance_of_captions(self, batch: Batch) -> Tensor:
        """How far the drawings of a caption are from its real pictures, as distributions of features."""
        total = torch.zeros((), device=batch.fake.device)
        together = self.share.together
        for real, fake in zip(batch.seen_real.maps, batch.seen_fake.maps, strict=True):
            cells = [F.adaptive_avg_pool2d(maps.float(), CELLS).flatten(1) for maps in (real, fake)]
            total = total + energy_loss(together(cells[0]), together(cells[1]), batch.groups)
        return total / len(batch.seen_real.maps)

    def _unfreeze(self) -> None:
        self.discriminator.heads.requires_grad_(True)
        self.discriminator.pixel_head.requires_grad_(True)

    def validate(self) -> dict[str, float]:
        """See :class:`GeneratorValidation`."""
        return self.validation.figures(self.model)

    def sheet(self) -> NDArray[np.uint8]:
        """See :class:`GeneratorValidation`."""
        return self.validation.sheet(self.model)
