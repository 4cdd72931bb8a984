"""Adversarial training of a conditional generator, pretrained or from random weights."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import Adam, Optimizer

from lexipix.config.generator import GANParameters
from lexipix.data.augmentation import augment
from lexipix.data.caption_batches import CaptionGroups
from lexipix.data.images import ImageRows, random_hflip
from lexipix.models.conditional_generator import ConditionalGenerator
from lexipix.models.discriminator import Discriminator, DiscriminatorFeatures, DiscriminatorLogits
from lexipix.models.text_to_image import TextToImage
from lexipix.models.vae import Decoder
from lexipix.training import workers
from lexipix.training.generator_validation import GeneratorData
from lexipix.training.losses.contrastive import caption_matching_loss
from lexipix.training.losses.energy import energy_loss
from lexipix.training.losses.gan import (
    discriminator_loss,
    generator_loss,
    gradient_penalty,
    sum_head_losses,
    zero_centered_penalty,
)
from lexipix.training.losses.ssim import structural_dissimilarity
from lexipix.training.muon import Muon
from lexipix.training.tasks.base import (
    GraphStep,
    Metrics,
    SampleGrid,
    TrainingTask,
    micro_batches,
    optimizer_step,
    trainable,
)

Losses = tuple[Tensor, Metrics]


@dataclass(frozen=True)
class GANHyperparameters:
    """Losses, rates and schedule of a :class:`GANTask`.

    After the pretraining the discriminator learns alone: a random one ruins a pretrained generator.
    """

    gan: GANParameters  # losses, their weights, and the peak rates of both players
    pretrain_fraction: float  # of the training
    primary_caption_prob: float  # with which the primary caption is read; otherwise any paraphrase
    flip: bool  # mirror images; only where captions name no side
    gradient_accumulation_steps: int
    new_generator: bool = False  # from random weights: Muon trains both players; Adam refines a trained one
    pretrain_learning_rate: float = 2e-3
    # A penalty is computed on one of so many steps, at random, and weighted by as much (lazy regularization,
    # StyleGAN2, arXiv 1912.04958)
    penalty_interval: int = 8
    energy_pool: int = 4  # side of the grid to which features are averaged for the energy loss
    grad_clip: float = 5.0  # largest gradient norm of the generator
    betas: tuple[float, float] = (0.0, 0.99)  # of Adam
    momentum: float = 0.9  # of Muon

    @property
    def penalty_weight(self) -> float:
        """Of the penalty that belongs to the loss."""
        return self.gan.gp_weight if self.gan.gan_loss == "wasserstein" else self.gan.r1_gamma

    @property
    def generator_from(self) -> float:
        """Progress from which the generator learns against the discriminator."""
        return min(1.0, self.pretrain_fraction + self.gan.discriminator_warmup)


class GANInputs(NamedTuple):
    """What one (micro-)batch starts from."""

    real: Tensor  # images (B, C, S, S)
    target: Tensor  # what to stay near: the same images, or what the model may make of others
    encoding: Any  # their encoded captions, a tuple of tensors
    noise: Tensor  # (B, Z)
    groups: Tensor  # int (B,): equal numbers mark equal captions


class GANBatch(NamedTuple):
    """A (micro-)batch after the forward pass of the generator and of the discriminator's encoder."""

    real: Tensor  # images (B, C, S, S)
    target: Tensor
    fake: Tensor  # images generated from their captions
    real_features: DiscriminatorFeatures  # of the augmented images, like the next
    fake_features: DiscriminatorFeatures
    caption: Tensor  # embeddings (B, V)
    groups: Tensor  # int (B,): equal numbers mark equal captions


class GANTask(TrainingTask):
    """Trains a conditional generator against a :class:`Discriminator`.

    The discriminator's frozen encoder also embeds generated images for the contrastive loss.
    """

    def __init__(
        self,
        model: ConditionalGenerator,
        discriminator: Discriminator,
        data: GeneratorData,
        hyperparameters: GANHyperparameters,
    ) -> None:
        hp = self.hyperparameters = hyperparameters
        gan = self.gan = hyperparameters.gan
        self.model, self.discriminator = model, discriminator
        self.images, self.captions = ImageRows(data.images, data.captions.device), data.captions
        self.groups, self.validation = CaptionGroups(torch.from_numpy(data.groups)), data.validation
        model.train()
        self.modules = {"model": model, "discriminator": discriminator}
        self.averaged, self.n_rows = ("model",), len(data.images)
        self.optimizers = {
            "generator": self._optimizer(model, model.unfreeze(), gan.training.learning_rate),
            "discriminator": self._optimizer(
                discriminator, trainable(discriminator), gan.discriminator_learning_rate
            ),
        }
        self.phases = (0.0, hp.pretrain_fraction, hp.generator_from)
        self.learns_from = hp.generator_from if hp.pretrain_fraction < 1 else 0.0
        # A penalty is computed on random steps, and a graph cannot branch
        self.uses_cuda_graphs = hp.gradient_accumulation_steps == 1 and not hp.penalty_weight

    def _optimizer(self, network: nn.Module, weights: list[nn.Parameter], rate: float) -> Optimizer:
        hp = self.hyperparameters
        if hp.new_generator:
            return Muon(network, [{"params": weights}], rate, hp.betas[1], 0.0, hp.momentum)
        return Adam(weights, rate, betas=hp.betas, fused=True)

    def step(self, rows: Tensor, progress: float) -> Metrics:
        """One update of the discriminator, then one of the generator, on the same images and captions."""
        if progress < self.hyperparameters.pretrain_fraction:
            return self.pretrain_step(rows)
        return self._update(self._sample(rows), progress >= self.hyperparameters.generator_from)

    def graph_step(self, rows: Tensor, progress: float) -> GraphStep | None:
        if progress < self.hyperparameters.pretrain_fraction:
            return None
        train_generator = progress >= self.hyperparameters.generator_from
        (inputs,) = self._sample(rows)
        encoding = inputs.encoding

        def update(real: Tensor, target: Tensor, noise: Tensor, groups: Tensor, *parts: Tensor) -> Metrics:
            made = GANInputs(real, target, type(encoding)(*parts), noise, groups)
            return self._update([made], train_generator)

        return GraphStep(
            update, (inputs.real, inputs.target, inputs.noise, inputs.groups, *encoding), train_generator
        )

    def pretrain_step(self, rows: Tensor) -> Metrics:
        """One update of the pretraining, where ``pretrain_fraction`` is above 0."""
        raise NotImplementedError

    def _update(self, inputs: Sequence[GANInputs], train_generator: bool) -> Metrics:
        """Update the discriminator and, if asked, the generator.

        A whole batch passes through the generator once for both players. Micro-batches pass once for each
        player, so that only one of them is in memory.
        """
        shared = self._forward(inputs[0], train_generator) if len(inputs) == 1 else None

        def on_inputs(losses: Callable[[GANBatch], Losses]) -> Callable[[GANInputs], Losses]:
            return lambda one: losses(shared or self._forward(one, train_generator))

        discriminator, generator = self.optimizers["discriminator"], self.optimizers["generator"]
        metrics = optimizer_step(discriminator, on_inputs(self._discriminator_losses), inputs)
        if not train_generator:
            return metrics
        self.discriminator.requires_grad_(False)
        metrics |= optimizer_step(
            generator, on_inputs(self._generator_losses), inputs, clip=self.hyperparameters.grad_clip
        )
        self.discriminator.heads.requires_grad_(True)
        self.discriminator.pixel_head.requires_grad_(True)
        return metrics

    def _sample(self, rows: Tensor) -> list[GANInputs]:
        hp = self.hyperparameters
        inputs = []
        for part in micro_batches(self.groups.regroup(rows), hp.gradient_accumulation_steps):
            real = self.images[part]
            if hp.flip:
                real = random_hflip(real, torch.rand(len(part)))
            with torch.no_grad():
                ids = self.captions.sample(part, hp.primary_caption_prob)
                encoding, target = self.model.encode_for_training(ids, part, real)
            noise = torch.randn(len(part), self.model.noise_dim, device=real.device)
            inputs.append(GANInputs(real, target, encoding, noise, self.groups.of_rows[part].to(real.device)))
        return inputs

    def _forward(self, inputs: GANInputs, with_gradients: bool) -> GANBatch:
        """Generate images, and extract the features of the real and of the generated ones."""
        real, target, encoding, noise, groups = inputs
        with torch.set_grad_enabled(with_gradients):
            fake = self.model.decode(encoding, noise).float()
        augmentations = self.gan.augmentations
        real_features = self.discriminator.extract(augment(real, augmentations))
        fake_features = self.discriminator.extract(augment(fake, augmentations))
        return GANBatch(real, target, fake, real_features, fake_features, encoding.embedding, groups)

    def _discriminator_losses(self, batch: GANBatch) -> Losses:
        """Tell real images with their captions from generated ones, and from real ones of other captions."""
        kind, caption, groups = self.gan.gan_loss, batch.caption, batch.groups
        on_real = self.discriminator.classify(batch.real_features, caption, caption.roll(1, 0))
        on_fake = self.discriminator.classify(batch.fake_features.detach(), caption)
        loss = sum_head_losses(discriminator_loss, kind, on_real, on_fake)
        assert on_real.mismatch_logits is not None
        is_mismatch = groups != groups.roll(1, 0)
        loss = loss + discriminator_loss(kind, on_real.match_logits, on_real.mismatch_logits, is_mismatch)
        hp = self.hyperparameters
        if hp.penalty_weight and workers.agreed(lambda: bool(torch.rand(()) < 1 / hp.penalty_interval)):
            loss = loss + hp.penalty_interval * hp.penalty_weight * self._penalty(batch)
        return loss, {"loss_d": loss}

    def _penalty(self, batch: GANBatch) -> Tensor:
        """Return the gradient penalty, or R1 plus R2, in fp32."""
        real, fake, caption = batch.real.float(), batch.fake.float(), batch.caption.float()

        def critic(images: Tensor) -> Tensor:
            logits: DiscriminatorLogits = self.discriminator(images, caption)
            return torch.cat(
                [logits.match_logits, *(patches.mean(1, keepdim=True) for patches in logits.patch_logits)], 1
            )

        with torch.autocast(real.device.type, enabled=False):
            if self.gan.gan_loss == "wasserstein":
                return gradient_penalty(critic, real, fake)
            return zero_centered_penalty(critic, real) + zero_centered_penalty(critic, fake)

    def _generator_losses(self, batch: GANBatch) -> Losses:
        """Look real, match the caption, stay near the real image."""
        gan, target, fake = self.gan, batch.target, batch.fake
        on_fake = self.discriminator.classify(batch.fake_features, batch.caption)
        on_real = on_fake
        if gan.gan_loss == "relativistic":
            on_real = self.discriminator.classify(batch.real_features, batch.caption)
        adversarial = sum_head_losses(generator_loss, gan.gan_loss, on_real, on_fake)
        error = F.avg_pool2d(fake, gan.pixel_pool) - F.avg_pool2d(target, gan.pixel_pool)
        pixel = (error.square() if gan.pixel_error == "squared" else error.abs()).mean()
        loss = gan.adversarial_weight * adversarial + gan.pixel_weight * pixel
        metrics = {"loss_g": adversarial, "pixel_loss": pixel}
        if gan.contrastive_weight:
            encoded = self.discriminator.image_encoder.features_from_maps(batch.fake_features.maps)
            embeddings, caption = encoded.embedding.float(), batch.caption.float()
            metrics["contrastive_loss"] = caption_matching_loss(
                *map(workers.gather, (embeddings, caption, batch.groups))
            )
            loss = loss + gan.contrastive_weight * metrics["contrastive_loss"]
        if gan.ssim_weight:
            loss = loss + gan.ssim_weight * structural_dissimilarity(target, fake)
        if gan.energy_weight:
            metrics["energy_loss"] = self._energy_loss(batch)
            loss = loss + gan.energy_weight * metrics["energy_loss"]
        return loss, metrics

    def _energy_loss(self, batch: GANBatch) -> Tensor:
        """Return the mean over the encoder's scales."""
        losses, pool = [], self.hyperparameters.energy_pool
        for scales in zip(batch.real_features.maps, batch.fake_features.maps, strict=True):
            real, fake = (F.adaptive_avg_pool2d(maps.float(), pool).flatten(1) for maps in scales)
            losses.append(energy_loss(*map(workers.gather, (real, fake, batch.groups))))
        return torch.stack(losses).mean()

    def validate(self) -> dict[str, float]:
        return self.validation.metrics(self.model)

    def sample_grid(self) -> SampleGrid:
        return self.validation.sample_grid(self.model)


class PretrainedGANTask(GANTask):
    """Adversarial training after the decoder was distilled from another one of the same latents."""

    def __init__(self, model: TextToImage, teacher: Decoder, *data: Any) -> None:  # as for GANTask
        super().__init__(model, *data)
        self.text_to_image, self.teacher = model, teacher
        self.modules = {**self.modules, "teacher": teacher.requires_grad_(False).eval()}
        decoder = Adam(model.decoder.parameters(), self.hyperparameters.pretrain_learning_rate, fused=True)
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
