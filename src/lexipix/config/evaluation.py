"""Parameters of the evaluation: the judge and how much it looks at."""

from typing import ClassVar

from pydantic import Field, field_validator

from lexipix.config.run import Parameters
from lexipix.config.training import TrainingParameters


class EvaluatorTrainingParameters(TrainingParameters):
    """How the evaluator is trained (``evaluation.evaluator.training.*``)."""

    key: ClassVar[str] = "evaluation.evaluator.training"
    images: int = Field(16_000, ge=1)
    batch_size: int = Field(128, ge=2, le=8192)
    learning_rate: float = Field(2e-3, gt=0, le=1)


class EvaluatorParameters(Parameters):
    """The judge: a contrastive pair trained on a split no other model sees (``evaluation.evaluator.*``).

    Attributes:
        channels: Of the image encoder at 1/2, 1/4 and 1/8 of the side.
        blocks: Residual blocks at each of the three scales.
        vector_width: Length of the vectors that pictures and captions meet in.
        text_width: Width of the text encoder, a multiple of 32.
        text_depth: Layers of the text encoder.
        vocabulary: Token ids at most; 258 are bytes, padding and the end.
        max_tokens: Longer captions are cut.
        words_weight: Of naming the caption's words, beside the contrastive loss.
        flip: Mirror its training pictures; only where captions name no side.
        held_out_share: Of the judge's split, for choosing the best weights.
        seed_offset: Added to ``run.seed``, so that the judge shares no random number with what it judges.
    """

    channels: tuple[int, int, int] = (32, 64, 128)
    blocks: tuple[int, int, int] = (1, 1, 1)
    vector_width: int = Field(128, ge=8, le=2048)
    text_width: int = Field(128, ge=32, le=2048, multiple_of=32)
    text_depth: int = Field(2, ge=1, le=24)
    vocabulary: int = Field(1_024, ge=258, le=65_536)
    max_tokens: int = Field(64, ge=4, le=1_024)
    words_weight: float = Field(0.1, ge=0)
    flip: bool = False
    held_out_share: float = Field(0.1, gt=0, le=0.5)
    seed_offset: int = Field(1_000, ge=1)
    training: EvaluatorTrainingParameters = EvaluatorTrainingParameters()

    @field_validator("channels", "blocks")
    @classmethod
    def _positive(cls, value: tuple[int, int, int]) -> tuple[int, int, int]:
        if min(value) < 1:
            raise ValueError("all three numbers must be at least 1")
        return value


class EvaluationParameters(Parameters):
    """Parameters of the pipeline ``evaluation`` (``evaluation.*``).

    Attributes:
        n_images: Test pictures to evaluate, evenly spread; null takes all.
        n_candidates: Captions that R-precision chooses among; fewer where there are fewer different ones.
        kid_subsets: Random subsets that the kernel distance is averaged over.
        kid_subset_size: Pictures in each.
        n_shown: Fixed test pictures in the report.
        n_extremes: Best and worst pictures in the report.
        batch_size: Pictures through a network at a time.
    """

    evaluator: EvaluatorParameters = EvaluatorParameters()
    n_images: int | None = Field(None, ge=4)
    n_candidates: int = Field(100, ge=2)
    kid_subsets: int = Field(50, ge=1)
    kid_subset_size: int = Field(500, ge=2)
    n_shown: int = Field(12, ge=1, le=100)
    n_extremes: int = Field(6, ge=1, le=100)
    batch_size: int = Field(250, ge=1, le=8192)
