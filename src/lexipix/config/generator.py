"""Parameters of the generators: the VAE, the text prior in its latent space, the GAN, and image tokens."""

from typing import Literal, NamedTuple, Self

from pydantic import Field, model_validator

from lexipix.config.run import Parameters
from lexipix.config.tokens import TokensParameters
from lexipix.config.training import AccumulatedTrainingParameters


class VAEParameters(Parameters):
    """The direct path (``generator.vae.*``)."""

    patch: int | None = Field(ge=2, le=64)
    latent_channels: int | None = Field(ge=1, le=192)
    width: int = Field(ge=8, le=1024)
    depth: int = Field(ge=0, le=32)
    decoder_variance: float = Field(gt=0, le=0.1)
    ssim_weight: float = Field(ge=0, le=1)
    training: AccumulatedTrainingParameters


class PriorParameters(Parameters):
    """The text prior (``generator.prior.*``)."""

    width: int = Field(ge=32, le=1024, multiple_of=32)
    depth: int = Field(ge=1, le=32)
    noise_dim: int = Field(ge=1, le=1024)
    neighbors: int = Field(ge=0, le=16)
    temperature: float = Field(gt=0, le=10)
    min_edge_similarity: float = Field(ge=-1, le=1)
    max_memory_mb: float = Field(gt=0, le=100_000)
    primary_caption_prob: float = Field(ge=0, le=1)
    imle_candidates: int = Field(ge=1, le=64)
    training: AccumulatedTrainingParameters

    @model_validator(mode="after")
    def _has_noise_for_each_neighbor(self) -> Self:
        if self.neighbors > self.noise_dim:
            raise ValueError(
                f"the noise chooses generator.prior.neighbors = {self.neighbors} images among "
                f"generator.prior.noise_dim = {self.noise_dim}: set noise_dim to {self.neighbors} or more"
            )
        return self


class GeneratorSize(NamedTuple):
    """The size of a GAN's own network; depth and noise count for ``start: scratch`` only."""

    width: int  # of words and of the 8x8 grid, a multiple of 32; half of it at twice the side, and so on
    depth: int  # modulated convolution blocks on the grid
    noise_dim: int


GENERATOR_SIZES = {
    "tiny": GeneratorSize(32, 1, 16),
    "small": GeneratorSize(128, 2, 64),
    "base": GeneratorSize(192, 3, 128),
    "large": GeneratorSize(256, 4, 128),
}


class GANParameters(Parameters):
    """The GAN (``generator.gan.*``)."""

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
    pixel_error: Literal["squared", "absolute"]
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
    """What validation changes while prior and GAN train (the GAN: ``pixel_weight`` > 0, ``pixel_pool`` 1)."""

    enabled: bool
    resampled_fraction: float = Field(ge=0, le=1)
    plateau_patience: int = Field(ge=0)
    lr_factor: float = Field(gt=0, le=1)
    min_lr_factor: float = Field(gt=0, le=1)
    keep_best: bool


class GeneratorParameters(Parameters):
    """Parameters of the generator stage (``generator.*``)."""

    feedback: FeedbackParameters
    flip: bool
    vae: VAEParameters
    prior: PriorParameters
    gan: GANParameters
    tokens: TokensParameters

    @model_validator(mode="after")
    def _has_latents_where_they_are_needed(self) -> Self:
        if self.prior.neighbors:
            if self.gan.start != "regression":
                raise ValueError(
                    f"generator.gan.start = {self.gan.start} needs latents, and generator.prior.neighbors = "
                    f"{self.prior.neighbors} retrieves images: set start to regression, or neighbors to 0"
                )
            if self.tokens.enabled and self.tokens.transformer.prior_hint:
                raise ValueError(
                    "generator.tokens.transformer.prior_hint needs latents, and generator.prior.neighbors = "
                    f"{self.prior.neighbors} retrieves images: set prior_hint or tokens.enabled to false"
                )
        return self

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
