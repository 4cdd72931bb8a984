"""Parameters of the evaluation: the judge and how much it looks at."""

from typing import Annotated, Literal

from pydantic import Field, field_validator

from lexipix.config.run import Parameters
from lexipix.config.training import TrainingParameters


class EvaluatorParameters(Parameters):
    """The judge: a contrastive pair trained on a split no other model sees (``evaluation.evaluator.*``).

    Attributes:
        channels: Of the image encoder at 1/2, 1/4 and 1/8 of the side.
        blocks: Residual blocks at each of the three scales.
        embed_dim: Length of the vectors that pictures and captions meet in.
        text_width: Width of the text encoder, a multiple of 32.
        text_depth: Layers of the text encoder.
        vocabulary: Token ids at most; 258 are bytes, padding and the end.
        max_tokens: Longer captions are cut.
        words_weight: Of naming the caption's words, beside the contrastive loss.
        flip: Mirror its training pictures; only where captions name no side.
        augmentations: For few pictures: any of ``jitter`` (small turns, sizes, shifts and changes of color),
            ``color``, ``translation``, ``cutout``; nothing that captions name.
        held_out_share: Of the judge's split, for choosing the best weights.
        min_captioned: Where fewer pictures of the judge's split have a caption, the captioner of the run
            describes the others for it; 0: never.
        seed_offset: Added to ``run.seed``, so that the judge shares no random number with what it judges.
    """

    channels: tuple[int, int, int] = (32, 64, 128)
    blocks: tuple[int, int, int] = (1, 1, 1)
    embed_dim: int = Field(128, ge=8, le=2048)
    text_width: int = Field(128, ge=32, le=2048, multiple_of=32)
    text_depth: int = Field(2, ge=1, le=24)
    vocabulary: int = Field(1_024, ge=258, le=65_536)
    max_tokens: int = Field(64, ge=4, le=1_024)
    words_weight: float = Field(0.1, ge=0)
    flip: bool = False
    augmentations: tuple[Literal["jitter", "color", "translation", "cutout"], ...] = ()
    held_out_share: float = Field(0.1, gt=0, le=0.5)
    min_captioned: int = Field(200, ge=0)
    seed_offset: int = Field(1_000, ge=1)
    training: TrainingParameters

    @field_validator("channels", "blocks")
    @classmethod
    def _positive(cls, value: tuple[int, int, int]) -> tuple[int, int, int]:
        if min(value) < 1:
            raise ValueError("all three numbers must be at least 1")
        return value


class ClassifierParameters(Parameters):
    """The second judge, where pictures have classes (``evaluation.classifier.*``).

    Attributes:
        n_drawn: Test captions at most that every model draws a picture from, for the classifier to name its
            class; null trains no classifier.
        cas_images: Images that a classifier sees which learns from a model's pictures alone, for its accuracy
            on real ones (arXiv 1905.10887); null trains none.
        cas_drawn: Pictures of a model that it learns from, and as many real ones beside them: where more than
            the test captions, these are drawn from again with other noise. Null: one for each.
        min_pictures: Training pictures that a class must have to count.
        width: Channels of the first convolution.
        weight_decay: Of convolutions and head.
        flip: Mirror its training pictures, and look at mirror images too; only where no class is a side.
        training: On real pictures; the shorter ones on drawn pictures have the same batches and rates.
    """

    n_drawn: int | None = Field(None, ge=2)
    cas_images: int | None = Field(80_000, ge=1)
    cas_drawn: int | None = Field(None, ge=2)
    min_pictures: int = Field(10, ge=1)
    width: int = Field(32, ge=1, le=512)
    weight_decay: float = Field(0.05, ge=0)
    flip: bool = False
    training: TrainingParameters


class MemorisationParameters(Parameters):
    """Do models repeat training pictures? (``evaluation.memorisation.*``).

    Attributes:
        n_drawn: Drawn pictures of each model whose nearest training pictures are looked for, and as many real
            test pictures.
        n_train: Training pictures at most among which they are looked for, evenly spread; null takes all.
        n_shown: Rows of the sheet: the nearest of all, and as many evenly spread.
    """

    n_drawn: int = Field(500, ge=2)
    n_train: int | None = Field(10_000, ge=3)
    n_shown: int = Field(8, ge=1, le=100)


class RateParameters(Parameters):
    """What the direct path's quality costs in bits, beside JPEG and WebP (``evaluation.rate.*``).

    Attributes:
        n_images: Test pictures at most, evenly spread; null measures none.
        bits: Bits for each number of a latent, one point of a curve each.
        steps: Widths of the cells that numbers are rounded to, in standard deviations of the posterior, one
            point of another curve each.
        qualities: Of JPEG and WebP, one point each.
    """

    n_images: int | None = Field(250, ge=1)
    bits: tuple[Annotated[int, Field(ge=1, le=16)], ...] = Field((1, 2, 3, 4, 5, 6, 7, 8), min_length=1)
    steps: tuple[Annotated[float, Field(gt=0)], ...] = Field(
        (1.0, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0, 16.0, 24.0, 32.0), min_length=1
    )
    qualities: tuple[Annotated[int, Field(ge=0, le=100)], ...] = Field(
        (1, 5, 10, 20, 30, 40, 50, 60, 70, 80, 90, 95, 100), min_length=1
    )


class InformationParameters(Parameters):
    """How well pictures come back over what is told of them (``evaluation.information.*``).

    Attributes:
        n_images: Test pictures at most, evenly spread; null measures none.
        apart: The first word of every so many cells in either direction is given, one point each; then that
            of all cells, and the further words.
        steps: Of the direct path, as ``evaluation.rate.steps``.
    """

    n_images: int | None = Field(64, ge=1)
    apart: tuple[Literal[2, 4, 8], ...] = (4, 2)
    steps: tuple[Annotated[float, Field(gt=0)], ...] = (2.0, 4.0, 8.0, 16.0, 32.0)

    @field_validator("apart")
    @classmethod
    def _from_few_to_many(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        if list(value) != sorted(set(value), reverse=True):
            raise ValueError(
                f"evaluation.information.apart = {list(value)} must go from the largest to the smallest"
            )
        return value


class EvaluationParameters(Parameters):
    """Parameters of the pipeline ``evaluation`` (``evaluation.*``).

    Attributes:
        evaluator: The judge.
        classifier: A second one, where pictures have classes.
        memorisation: Whether models repeat training pictures.
        rate: What the direct path costs in bits.
        information: How well pictures come back over what is told of them.
        n_images: Test pictures to evaluate, evenly spread; null takes all.
        n_candidates: Captions that R-precision chooses among; fewer where there are fewer different ones.
        kid_subsets: Random subsets that the kernel distance is averaged over.
        kid_subset_size: Pictures in each.
        n_shown: Fixed test pictures in the report.
        n_extremes: Best and worst pictures in the report.
        n_prompts: Captions of training and of test pictures that every model draws from, evenly spread, to be
            found again by the evaluator; 0 leaves it out.
        batch_size: Pictures through a network at a time.
    """

    evaluator: EvaluatorParameters
    classifier: ClassifierParameters
    memorisation: MemorisationParameters = MemorisationParameters()
    rate: RateParameters = RateParameters()
    information: InformationParameters = InformationParameters()
    n_images: int | None = Field(None, ge=4)
    n_candidates: int = Field(100, ge=2)
    n_prompts: int = Field(500, ge=0)
    kid_subsets: int = Field(50, ge=1)
    kid_subset_size: int = Field(500, ge=2)
    n_shown: int = Field(12, ge=1, le=100)
    n_extremes: int = Field(6, ge=1, le=100)
    batch_size: int = Field(250, ge=1, le=8192)
