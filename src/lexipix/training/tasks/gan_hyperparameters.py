"""The hyperparameters of adversarial training."""

from collections.abc import Sequence
from dataclasses import dataclass

from lexipix.data.augmentation import Augmentation
from lexipix.training.losses.gan import GANLoss


@dataclass(frozen=True)
class GANHyperparameters:
    """Losses, rates and schedule of a :class:`lexipix.training.tasks.gan.GANTask`.

    Attributes:
        gan_loss: See :mod:`lexipix.training.losses.gan`.
        learning_rate: Peak rate of the generator.
        discriminator_learning_rate: Peak rate of the discriminator.
        adversarial_weight: Of the adversarial loss.
        pixel_weight: Of the squared error to the real image.
        pixel_pool: Side, in pixels, of the squares over which both are averaged for it.
        ssim_weight: Of :func:`lexipix.training.losses.ssim.structural_dissimilarity` to the real image.
        contrastive_weight: Of :func:`lexipix.training.losses.contrastive.caption_matching_loss`.
        energy_weight: Of :func:`lexipix.training.losses.energy.energy_loss`.
        gp_weight: Of the gradient penalty; ``wasserstein`` only.
        r1_gamma: Of R1 plus R2; the other losses only.
        discriminator_warmup: Fraction of the training in which the discriminator learns alone, before the
            generator does: a random discriminator ruins a pretrained generator.
        pretrain_fraction: Fraction of the training before that, spent on pretraining.
        augmentations: See :func:`lexipix.data.augmentation.augment`.
        primary_caption_prob: Probability that a caption is read in its first wording; otherwise in any.
        flip: Mirror images; only where captions name no side.
        gradient_accumulation_steps: Micro-batches per update.
        pretrain_learning_rate: Peak rate of pretraining.
        penalty_interval: A penalty is computed on one of so many steps, at random, and weighted by as much
            (lazy regularisation, StyleGAN2, arXiv 1912.04958).
        energy_pool: Side of the grid to which features are averaged for the energy loss.
        grad_clip: Largest gradient norm of the generator.
        betas: Of Adam, for both players.
    """

    gan_loss: GANLoss
    learning_rate: float
    discriminator_learning_rate: float
    adversarial_weight: float
    pixel_weight: float
    pixel_pool: int
    ssim_weight: float
    contrastive_weight: float
    energy_weight: float
    gp_weight: float
    r1_gamma: float
    discriminator_warmup: float
    pretrain_fraction: float
    augmentations: Sequence[Augmentation]
    primary_caption_prob: float
    flip: bool
    gradient_accumulation_steps: int = 1
    pretrain_learning_rate: float = 2e-3
    penalty_interval: int = 8
    energy_pool: int = 4
    grad_clip: float = 5.0
    betas: tuple[float, float] = (0.0, 0.99)

    @property
    def penalty_weight(self) -> float:
        """Of the penalty that belongs to the loss; 0 computes none."""
        return self.gp_weight if self.gan_loss == "wasserstein" else self.r1_gamma

    @property
    def generator_from(self) -> float:
        """Progress from which the generator learns against the discriminator."""
        return min(1.0, self.pretrain_fraction + self.discriminator_warmup)
