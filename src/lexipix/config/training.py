"""Length, batch, schedule and intervals of a training; the same keys for every training."""

from typing import Self

from pydantic import Field, model_validator

from lexipix.config.run import Parameters


class TrainingParameters(Parameters):
    """How long and how one model is trained (``….training.*``)."""

    num_images: int = Field(ge=1)
    batch_size: int = Field(ge=2, le=8192)
    learning_rate: float = Field(gt=0, le=1)
    warmup: float = Field(gt=0, lt=1)
    ema_halflife_fraction: float = Field(gt=0, le=0.5)
    num_validations: int = Field(ge=1, le=1000)
    patience: int = Field(ge=0)
    keep_best: bool
    checkpoint_seconds: float = Field(gt=0)

    def shortened(self, share: float) -> Self:
        """The same training with a share of the images, at least one batch."""
        num_images = max(self.batch_size, round(share * self.num_images))
        return self if share == 1 else self.model_copy(update={"num_images": num_images})


class AccumulatedTrainingParameters(TrainingParameters):
    """A training whose batches can be split into micro-batches."""

    gradient_accumulation_steps: int = Field(ge=1, le=1024)

    @model_validator(mode="after")
    def _splits_evenly(self) -> Self:
        if self.batch_size % self.gradient_accumulation_steps:
            raise ValueError(
                f"batch_size = {self.batch_size} must be a multiple of gradient_accumulation_steps = "
                f"{self.gradient_accumulation_steps}"
            )
        return self
