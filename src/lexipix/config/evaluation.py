"""Parameters of the evaluation."""

from typing import Annotated, Literal

from pydantic import Field, field_validator

from lexipix.config.run import Parameters
from lexipix.config.training import TrainingParameters

Positive = Annotated[int, Field(ge=1)]


class EvaluatorParameters(Parameters):
    """The evaluator, a contrastive pair with a split of its own (``evaluation.evaluator.*``)."""

    channels: tuple[Positive, Positive, Positive]
    blocks: tuple[Positive, Positive, Positive]
    embed_dim: int = Field(ge=8, le=2048)
    text_width: int = Field(ge=32, le=2048, multiple_of=32)
    text_depth: int = Field(ge=1, le=24)
    vocabulary: int = Field(ge=258, le=65_536)
    max_tokens: int = Field(ge=4, le=1_024)
    words_weight: float = Field(ge=0)
    flip: bool
    augmentations: tuple[Literal["jitter", "color", "translation", "cutout"], ...]
    held_out_share: float = Field(gt=0, le=0.5)
    min_captioned: int = Field(ge=0)
    seed_offset: int = Field(ge=1)
    training: TrainingParameters


class ClassifierParameters(Parameters):
    """The second evaluator, for images that have classes (``evaluation.classifier.*``)."""

    n_drawn: int | None = Field(ge=2)
    cas_images: int | None = Field(ge=1)
    cas_drawn: int | None = Field(ge=2)
    min_images: int = Field(ge=1)
    width: int = Field(ge=1, le=512)
    weight_decay: float = Field(ge=0)
    flip: bool
    training: TrainingParameters


class MemorizationParameters(Parameters):
    """Whether models repeat training images (``evaluation.memorization.*``)."""

    n_drawn: int = Field(ge=2)
    n_train: int | None = Field(ge=3)
    n_shown: int = Field(ge=1, le=100)


class RateParameters(Parameters):
    """Quality over bits of the direct path, beside JPEG and WebP (``evaluation.rate.*``)."""

    n_images: int | None = Field(ge=1)
    bits: tuple[Annotated[int, Field(ge=1, le=16)], ...] = Field(min_length=1)
    steps: tuple[Annotated[float, Field(gt=0)], ...] = Field(min_length=1)
    qualities: tuple[Annotated[int, Field(ge=0, le=100)], ...] = Field(min_length=1)


class InformationParameters(Parameters):
    """Quality over the information given about an image (``evaluation.information.*``)."""

    n_images: int | None = Field(ge=1)
    spacings: tuple[Literal[2, 4, 8], ...]
    steps: tuple[Annotated[float, Field(gt=0)], ...]

    @field_validator("spacings")
    @classmethod
    def _decreasing(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        if list(value) != sorted(set(value), reverse=True):
            raise ValueError(f"evaluation.information.spacings = {list(value)} must decrease")
        return value


class EvaluationParameters(Parameters):
    """Parameters of the pipeline ``evaluation`` (``evaluation.*``)."""

    evaluator: EvaluatorParameters
    classifier: ClassifierParameters
    memorization: MemorizationParameters
    rate: RateParameters
    information: InformationParameters
    n_images: int | None = Field(ge=4)
    n_candidates: int = Field(ge=2)
    n_prompts: int = Field(ge=0)
    kid_subsets: int = Field(ge=1)
    kid_subset_size: int = Field(ge=2)
    n_shown: int = Field(ge=1, le=100)
    n_extremes: int = Field(ge=1, le=100)
    batch_size: int = Field(ge=1, le=8192)
