"""How long and how a model is trained; the same keys for every training."""

from typing import ClassVar

from pydantic import Field

from lexipix.config.run import Parameters


class TrainingParameters(Parameters):
    """Length, batch, schedule and intervals of one training.

    Attributes:
        key: Where a user finds these parameters, for error messages.
        images: Images seen in all (not epochs: a batch size never changes the schedule).
        batch_size: Images per update.
        learning_rate: Peak rate of Adam; warm-up and cosine follow ``images``.
        warmup: Share of the training over which the rate rises.
        ema_share: Half-life of the weight average, as a share of the images seen so far.
        reports: Validations, curve points and sample sheets over the whole training.
        patience: Stop after this many validations without improvement; 0 never stops early.
        keep_best: Ship the weights of the best validation, else the last.
        checkpoint_seconds: Time between checkpoints for resuming.
    """

    key: ClassVar[str] = "<model>.training"
    images: int = Field(ge=1)
    batch_size: int = Field(64, ge=2, le=8192)
    learning_rate: float = Field(1e-3, gt=0, le=1)
    warmup: float = Field(0.05, gt=0, lt=1)
    ema_share: float = Field(0.02, gt=0, le=0.5)
    reports: int = Field(10, ge=1, le=1000)
    patience: int = Field(0, ge=0)
    keep_best: bool = True
    checkpoint_seconds: float = Field(30.0, gt=0)


class SharedTrainingParameters(TrainingParameters):
    """A training whose batches can be shared out over processes and micro-batches.

    Attributes:
        accumulate: Micro-batches into which each process cuts its part of a batch, for less memory; their
            gradients make one update.
    """

    accumulate: int = Field(1, ge=1, le=1024)


class LaunchParameters(Parameters):
    """How many processes train together.

    Attributes:
        key: Where a user finds these parameters, for error messages.
        processes: Each has a part of every batch, and its own GPU or its part of the CPU threads.
    """

    key: ClassVar[str] = "<pipeline>.launch"
    processes: int = Field(1, ge=1, le=64)
