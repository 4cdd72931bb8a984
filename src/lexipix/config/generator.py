"""Parameters of the generators: the VAE, the text prior in its latent space, the GAN, and image tokens."""

from typing import Literal, NamedTuple, Self

from pydantic import Field, model_validator

from lexipix.config.run import Parameters
from lexipix.config.tokens import TokensParameters
from lexipix.config.training import AccumulatedTrainingParameters


class VAEParameters(Parameters):
    """The direct path (``generator.vae.*``).

    Attributes:
        latent_channels: Channels of the 8x8 latent.
        width: Channels of the residual trunks.
        depth: Residual blocks in each trunk.
        decoder_variance: Of the Gaussian decoder on the [0, 1] scale; PSNR cannot exceed about -10 log10 of
            it.
        ssim_weight: Weight of 1 - SSIM beside the squared error, which is about 0.0005 here.
        training: See :class:`AccumulatedTrainingParameters`.
    """

    latent_channels: int = Field(ge=1, le=192)
    width: int = Field(ge=8, le=1024)
    depth: int = Field(ge=0, le=32)
    decoder_variance: float = Field(gt=0, le=0.1)
    ssim_weight: float = Field(ge=0, le=1)
    training: AccumulatedTrainingParameters


class PriorParameters(Parameters):
    """The text prior (``generator.prior.*``).

    Attributes:
        width: Of words and grid, a multiple of 32.
        depth: Modulated convolution blocks.
        noise_dim: Length of the noise vector.
        random_features: Random features of a ridge regression that is solved before the training and to which
            the convolutions add, for captions that each name something else; 0 is without. Each costs about
            6 kB. At most eight for each wording are used.
        primary_caption_prob: Probability that a caption is read in its first wording; otherwise in any.
        imle_candidates: Noise vectors per image, of which the nearest is trained; 1 is plain regression, more
            give variety.
        training: See :class:`AccumulatedTrainingParameters`.
    """

    width: int = Field(ge=32, le=1024, multiple_of=32)
    depth: int = Field(ge=1, le=32)
    noise_dim: int = Field(ge=1, le=1024)
    random_features: int = Field(ge=0, le=16384)
    primary_caption_prob: float = Field(ge=0, le=1)
    imle_candidates: int = Field(ge=1, le=64)
    training: AccumulatedTrainingParameters


class GeneratorSize(NamedTuple):
    """The size of a GAN's own network.

    Attributes:
        width: Of words and of the 8x8 grid, a multiple of 32; half of it at twice the side, and so on.
        depth: Modulated convolution blocks on the grid; ``start: scratch`` only.
        noise_dim: Length of the noise vector; ``start: scratch`` only.
    """

    width: int
    depth: int
    noise_dim: int


GENERATOR_SIZES = {
    "tiny": GeneratorSize(32, 1, 16),
    "small": GeneratorSize(128, 2, 64),
    "base": GeneratorSize(192, 3, 128),
    "large": GeneratorSize(256, 4, 128),
}


class GANParameters(Parameters):
    """The GAN (``generator.gan.*``).

    Attributes:
        start: ``regression`` continues from the trained prior and decoder, for captions that describe what is
            where; ``upsampling`` from the trained prior with a new decoder, which is first trained to
            reproduce the VAE's; ``scratch`` is a whole new network with random weights, for captions that
            leave much open.
        size: Of a generator from scratch, or of its upsampling decoder.
        pretrain_fraction: Fraction of the training in which an upsampling decoder learns from the VAE's.
        gan_loss: ``hinge``, ``wasserstein`` or ``relativistic``.
        discriminator_width: Channels of the discriminator's heads.
        discriminator_learning_rate: Peak rate; the generator's is ``training.learning_rate``.
        primary_caption_prob: Probability that a caption is read in its first wording; otherwise in any.
        gp_weight: Weight of the gradient penalty; ``wasserstein`` only.
        r1_gamma: Weight of the zero-centered penalties R1 plus R2; ``hinge`` and ``relativistic`` only.
        contrastive_weight: Weight of finding the caption of each generated image among those of the batch.
        adversarial_weight: Weight of the adversarial loss.
        pixel_weight: Weight of the squared error to the real image.
        pixel_pool: Side, in pixels, of the squares over which both are averaged for it.
        ssim_weight: Weight of 1 - SSIM to the real image; 0 where captions name no places.
        energy_weight: Weight of the energy distance, in the features, between a caption's generated and its
            real images; 0 where each caption has one image.
        discriminator_warmup: Fraction of the training in which the discriminator learns alone.
        augmentations: On real and generated images alike, for small data: color, translation, cutout.
        training: See :class:`AccumulatedTrainingParameters`.
    """

    start: Literal["regression", "upsampling", "scratch"]
    size: Literal["tiny", "small", "base", "large"]
    pretrain_fraction: float = Field(ge=0, lt=1)
    gan_loss: Literal["hinge", "wasserstein", "relativistic"]
    discriminator_width: int = Field(ge=8, le=1024, multiple_of=2)
    discriminator_learning_rate: float = Field(gt=0, le=1)
    primary_caption_prob: float = Field(ge=0, le=1)
    gp_weight: float = Field(ge=0)
    r1_gamma: float = Field(ge=0)
    contrastive_weight: float = Field(ge=0)
    adversarial_weight: float = Field(ge=0)
    pixel_weight: float = Field(ge=0)
    pixel_pool: int = Field(ge=1, le=64)
    ssim_weight: float = Field(ge=0, le=100)
    energy_weight: float = Field(ge=0, le=1000)
    discriminator_warmup: float = Field(ge=0, lt=1)
    augmentations: tuple[Literal["color", "translation", "cutout"], ...]
    training: AccumulatedTrainingParameters

    @model_validator(mode="after")
    def _leaves_time_for_the_generator(self) -> Self:
        if self.start == "upsampling" and self.pretrain_fraction + self.discriminator_warmup >= 1:
            raise ValueError(
                f"generator.gan.pretrain_fraction = {self.pretrain_fraction:g} and discriminator_warmup = "
                f"{self.discriminator_warmup:g} leave the generator no time to learn: their sum must stay "
                "below 1"
            )
        return self

    @model_validator(mode="after")
    def _has_the_penalty_of_its_loss(self) -> Self:
        is_wasserstein = self.gan_loss == "wasserstein"
        name, value = ("r1_gamma", self.r1_gamma) if is_wasserstein else ("gp_weight", self.gp_weight)
        if value:
            raise ValueError(
                f"generator.gan.{name} = {value:g} has no effect with gan_loss = {self.gan_loss}: set it to "
                f"0 and use {'gp_weight' if is_wasserstein else 'r1_gamma'}"
            )
        return self


class FeedbackParameters(Parameters):
    """What validation changes while prior and GAN train (``generator.feedback.*``).

    The GAN takes part where its images are to resemble the real ones: ``pixel_weight`` above 0 and
    ``pixel_pool`` 1.

    Attributes:
        enabled: Whether it changes anything.
        resampled_fraction: Largest fraction of a batch that is sampled by how likely a caption's words are to
            fail; it is the mean failure rate beyond that of real images. The rest is sampled evenly.
        plateau_patience: Validations without a better objective after which the learning rate falls; 0 never
            lowers it.
        lr_factor: Factor by which it falls.
        min_lr_factor: It never falls below this fraction of the schedule.
        keep_best: Ship the weights of the best validation, whatever ``training.keep_best`` is.
    """

    enabled: bool
    resampled_fraction: float = Field(ge=0, le=1)
    plateau_patience: int = Field(ge=0)
    lr_factor: float = Field(gt=0, le=1)
    min_lr_factor: float = Field(gt=0, le=1)
    keep_best: bool


class GeneratorParameters(Parameters):
    """Parameters of the generator stage (``generator.*``).

    Attributes:
        feedback: What validation changes while prior and GAN train.
        flip: Mirror training images at random; only where captions name no side.
        vae: The direct path.
        prior: The text path "vae".
        gan: The text path "gan".
        tokens: The text path "tokens".
    """

    feedback: FeedbackParameters
    flip: bool
    vae: VAEParameters
    prior: PriorParameters
    gan: GANParameters
    tokens: TokensParameters

    @model_validator(mode="after")
    def _leaves_time_for_the_token_generator(self) -> Self:
        fraction, warmup = self.tokens.transformer.adversarial_fraction, self.gan.discriminator_warmup
        if 0 < fraction <= warmup:
            raise ValueError(
                f"generator.tokens.transformer.adversarial_fraction = {fraction:g} must be larger than "
                f"generator.gan.discriminator_warmup = {warmup:g}, in which the discriminator learns alone, "
                "or 0"
            )
        return self
