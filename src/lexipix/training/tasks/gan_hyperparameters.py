"""The hyperparameters of adversarial training."""

from dataclasses import dataclass

from lexipix.config.generator import GANParameters


@dataclass(frozen=True)
class GANHyperparameters:
    """Losses, rates and schedule of a :class:`lexipix.training.tasks.gan.GANTask`.

    Attributes:
        gan: Losses, their weights, and the peak rates of both players.
        pretrain_fraction: Fraction of the training that is spent on pretraining, before the discriminator
            learns alone: a random discriminator ruins a pretrained generator.
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

    gan: GANParameters
    pretrain_fraction: float
    primary_caption_prob: float
    flip: bool
    gradient_accumulation_steps: int
    pretrain_learning_rate: float = 2e-3
    penalty_interval: int = 8
    energy_pool: int = 4
    grad_clip: float = 5.0
    betas: tuple[float, float] = (0.0, 0.99)

    @property
    def penalty_weight(self) -> float:
        """Of the penalty that belongs to the loss; 0 computes none."""
        return self.gan.gp_weight if self.gan.gan_loss == "wasserstein" else self.gan.r1_gamma

    @property
    def generator_from(self) -> float:
        """Progress from which the generator learns against the discriminator."""
        return min(1.0, self.pretrain_fraction + self.gan.discriminator_warmup)
