"""Parameters of the generators: the VAE, the text prior in its latent space, the GAN, and visual words."""

from typing import ClassVar, Literal, NamedTuple, Self

from pydantic import Field, model_validator

from lexipix.config.run import Parameters
from lexipix.config.tokens import WordsParameters
from lexipix.config.training import LaunchParameters, SharedTrainingParameters


class GeneratorLaunchParameters(LaunchParameters):
    """How many processes train each model together (``generator.launch.*``)."""

    key: ClassVar[str] = "generator.launch"


class VAETrainingParameters(SharedTrainingParameters):
    """How the VAE is trained (``generator.vae.training.*``)."""

    key: ClassVar[str] = "generator.vae.training"
    images: int = Field(34_000, ge=1)
    learning_rate: float = Field(1e-3, gt=0, le=1)
    reports: int = Field(8, ge=1, le=1000)


class PriorTrainingParameters(SharedTrainingParameters):
    """How the text prior is trained (``generator.prior.training.*``)."""

    key: ClassVar[str] = "generator.prior.training"
    images: int = Field(50_000, ge=1)
    batch_size: int = Field(32, ge=2, le=8192)
    learning_rate: float = Field(2e-3, gt=0, le=1)
    reports: int = Field(12, ge=1, le=1000)


class GANTrainingParameters(SharedTrainingParameters):
    """How the GAN is trained (``generator.gan.training.*``)."""

    key: ClassVar[str] = "generator.gan.training"
    images: int = Field(8_000, ge=1)
    batch_size: int = Field(32, ge=2, le=8192)
    learning_rate: float = Field(2e-4, gt=0, le=1)
    ema_share: float = Field(0.05, gt=0, le=0.5)
    reports: int = Field(8, ge=1, le=1000)
    keep_best: bool = False


class VAEParameters(Parameters):
    """The direct path (``generator.vae.*``).

    Attributes:
        latent_channels: Numbers per cell of the 8x8 grid.
        width: Channels of the residual trunks.
        depth: Residual blocks in each trunk.
        decoder_variance: Of the Gaussian decoder on the [0, 1] scale; PSNR cannot pass about -10 log10 of it.
        structure_weight: Weight of 1 - SSIM beside the squared error, which is about 0.0005 here.
        training: Its length and pace.
    """

    latent_channels: int = Field(12, ge=1, le=192)
    width: int = Field(96, ge=8, le=1024)
    depth: int = Field(2, ge=0, le=32)
    decoder_variance: float = Field(1e-4, gt=0, le=0.1)
    structure_weight: float = Field(0.01, ge=0, le=1)
    training: VAETrainingParameters = VAETrainingParameters()


class PriorParameters(Parameters):
    """The text prior (``generator.prior.*``).

    Attributes:
        width: Of words and grid, a multiple of 32.
        depth: Modulated convolution blocks.
        noise_dim: Length of the noise vector.
        memory: Random features of a memory that is solved before the training and that the convolutions start
            from, for captions that each name something else; 0 is without. Each costs about 6 kB. No more
            than eight for each wording are used.
        canonical_share: Share of the captions read in their first wording; the others in any.
        noises: Candidates per picture of which the best learns; 1 is plain regression, more give variety.
        training: Its length and pace.
    """

    width: int = Field(128, ge=32, le=1024, multiple_of=32)
    depth: int = Field(3, ge=1, le=32)
    noise_dim: int = Field(32, ge=1, le=1024)
    memory: int = Field(0, ge=0, le=16384)
    canonical_share: float = Field(0.5, ge=0, le=1)
    noises: int = Field(1, ge=1, le=64)
    training: PriorTrainingParameters = PriorTrainingParameters()


class GeneratorSize(NamedTuple):
    """A generator's own network.

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
        start: ``regression`` continues from the trained prior and decoder, for captions that say what is
            where; ``upsampling`` from the trained prior with a decoder of its own, which first learns to draw
            what the VAE's draws; ``scratch`` is a whole network of its own with random weights, for captions
            that leave much open.
        size: Of a generator from scratch, or of its upsampling decoder.
        teaching: Share of the training in which an upsampling decoder learns from the VAE's.
        adversary: Loss: ``hinge``, ``wasserstein`` with gradient penalty, ``relativistic`` with R1 and R2.
        discriminator_width: Channels of its heads.
        discriminator_learning_rate: Peak rate; the generator's is ``training.learning_rate``.
        canonical_share: Share of the captions read in their first wording; the others in any.
        penalty: Weight of the gradient penalty, paid lazily on an eighth of the steps; 0 leaves it out.
        alignment: Weight of telling from which caption of the batch each picture was drawn.
        adversarial: Weight of the adversarial loss.
        anchor: Weight of the squared error to the real picture.
        anchor_cell: Side, in pixels, of the squares over which both are averaged for it.
        structure_weight: Weight of 1 - SSIM to the real picture; 0 where captions name no places.
        variety: Weight of the energy distance, in the features, between a caption's drawings and its real
            pictures; 0 where each caption has one picture.
        head_start: Share of the training in which the discriminator learns alone.
        augmentations: On real and drawn pictures alike, for small data: color, translation, cutout.
        training: Its length and pace.
    """

    start: Literal["regression", "upsampling", "scratch"] = "regression"
    size: Literal["tiny", "small", "base", "large"] = "small"
    teaching: float = Field(0.2, ge=0, lt=1)
    adversary: Literal["hinge", "wasserstein", "relativistic"] = "hinge"
    discriminator_width: int = Field(64, ge=8, le=1024, multiple_of=2)
    discriminator_learning_rate: float = Field(4e-4, gt=0, le=1)
    canonical_share: float = Field(0.5, ge=0, le=1)
    penalty: float = Field(0.0, ge=0)
    alignment: float = Field(0.5, ge=0)
    adversarial: float = Field(0.02, ge=0)
    anchor: float = Field(20.0, ge=0)
    anchor_cell: int = Field(1, ge=1, le=64)
    structure_weight: float = Field(1.0, ge=0, le=100)
    variety: float = Field(0.0, ge=0, le=1000)
    head_start: float = Field(0.15, ge=0, lt=1)
    augmentations: tuple[Literal["color", "translation", "cutout"], ...] = ()
    training: GANTrainingParameters = GANTrainingParameters()

    @model_validator(mode="after")
    def _leaves_time_to_draw(self) -> Self:
        if self.start == "upsampling" and self.teaching + self.head_start >= 1:
            raise ValueError(
                f"generator.gan.teaching = {self.teaching:g} and head_start = {self.head_start:g} leave "
                "the generator no time to learn: together they must stay below 1"
            )
        return self


class LoopParameters(Parameters):
    """How validation steers the trainings of prior and GAN while they run (``generator.loop.*``).

    Attributes:
        enabled: Whether it does.
        share: Of each batch at most, drawn anew by how likely a caption's words are to fail; as much as fails
            more often than with real pictures. The rest comes in turn.
        tolerance: Share of the validation captions by which fewer may be recognised, than of real pictures or
            than before, until the weights of losses react.
        tolerance_db: PSNR that may be lost until they do, where pictures are to resemble the real ones.
        reaction: Factor by which a weight changes at a report.
        limit: Largest factor in all, either way; the learning rate falls no further, too.
        plateau: Reports without a better objective after which the learning rate falls; 0 never.
        slower: Factor by which it does.
        keep_best: Ship the weights of the best validation, whatever the training's own ``keep_best`` says: by
            PSNR where pictures are to resemble the captions' own, else by how they are spread and how many
            are recognised.
    """

    enabled: bool = True
    share: float = Field(0.5, ge=0, le=1)
    tolerance: float = Field(0.02, ge=0, le=1)
    tolerance_db: float = Field(0.5, ge=0)
    reaction: float = Field(1.5, ge=1, le=10)
    limit: float = Field(4.0, ge=1, le=100)
    plateau: int = Field(2, ge=0)
    slower: float = Field(0.5, gt=0, le=1)
    keep_best: bool = True


class GeneratorParameters(Parameters):
    """Parameters of the generator stage (``generator.*``).

    Attributes:
        launch: The processes of each training.
        loop: Validation that steers the trainings of prior and GAN.
        flip: Mirror training pictures at random; only where captions name no side.
        vae: The direct path.
        prior: The text path "vae".
        gan: The text path "gan".
        words: The text path "words".
    """

    launch: GeneratorLaunchParameters = GeneratorLaunchParameters()
    loop: LoopParameters = LoopParameters()
    flip: bool = False
    vae: VAEParameters = VAEParameters()
    prior: PriorParameters = PriorParameters()
    gan: GANParameters = GANParameters()
    words: WordsParameters = WordsParameters()

    @model_validator(mode="after")
    def _leaves_the_writer_time_to_draw(self) -> Self:
        share, alone = self.words.writer.adversarial, self.gan.head_start
        if 0 < share <= alone:
            raise ValueError(
                f"generator.words.writer.adversarial = {share:g} is no longer than the discriminator learns "
                f"alone (generator.gan.head_start = {alone:g}): make it longer, or 0 to leave it out"
            )
        return self

    @model_validator(mode="after")
    def _shares_batches_out(self) -> Self:
        of_words = (self.words.tokenizer.training, self.words.writer.training)
        for training in (self.vae.training, self.prior.training, self.gan.training, *of_words):
            parts = self.launch.processes * training.accumulate
            if training.batch_size % parts:
                raise ValueError(
                    f"{training.key}.batch_size = {training.batch_size} cannot be shared out evenly: make it "
                    f"a multiple of {parts}, which is {self.launch.key}.processes = {self.launch.processes} "
                    f"times {training.key}.accumulate = {training.accumulate}"
                )
        return self
