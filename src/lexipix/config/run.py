"""What holds for a whole run: the seed, the machine's use, the numerical precision."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class Parameters(BaseModel):
    """Base of all parameter models: immutable, and an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class RunParameters(Parameters):
    """Parameters shared by every pipeline (``run.*``).

    Attributes:
        seed: Reaches every random number of a run.
        threads: CPU threads for torch; 0 takes every core.
        device: ``auto`` takes CUDA when there is one.
        precision: ``auto`` lets a one-second probe choose between fp32 and bf16 for each training.
    """

    seed: int = Field(7, ge=0, lt=2**31)
    threads: int = Field(0, ge=0, le=512)
    device: Literal["auto", "cpu", "cuda"] = "auto"
    precision: Literal["auto", "fp32", "bf16"] = "auto"
