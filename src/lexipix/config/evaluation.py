"""Parameters of the evaluation."""

from typing import Annotated, Literal

from pydantic import Field, field_validator

from lexipix.config.run import Parameters
from lexipix.config.training import TrainingParameters


class EvaluatorParameters(Parameters):
    """The evaluator, with a network, seed and text input of its own (``evaluation.evaluator.*``)."""

    width: int = Field(ge=8, le=512, multiple_of=2)
    embed_dim: int = Field(ge=8, le=2048)
    text_width: int = Field(ge=8, le=4096)
    vocabulary: int = Field(ge=4, le=1_000_000)
    max_tokens: int = Field(ge=2, le=1_024)
    dropout: float = Field(ge=0, lt=1)
    label_smoothing: float = Field(ge=0, lt=1)
    weight_decay: float = Field(ge=0)
    flip: bool
    augmentations: tuple[Literal["jitter", "color", "translation", "cutout"], ...]
    seed_offset: int = Field(ge=1)
    training: TrainingParameters


class ClassifierParameters(Parameters):
    """The second evaluator, for images that have classes (``evaluation.classifier.*``)."""

    n_drawn: int | None = Field(ge=2)
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
