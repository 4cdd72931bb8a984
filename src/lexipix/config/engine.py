"""Where the stages run: in this process, or on a Ray cluster."""

from typing import Literal

from pydantic import Field

from lexipix.config.run import Parameters


class EngineParameters(Parameters):
    """Where the work is done (``engine.*``): part of no fingerprint, and of no stage of DVC."""

    kind: Literal["local", "ray"]
    address: str | None = Field(min_length=1)
    workers: int = Field(ge=0, le=4096)
    gpus_per_worker: int = Field(ge=0, le=16)
