"""What holds for a whole run: the seed, the threads and device, the numerical precision."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field


class Parameters(BaseModel):
    """Base of all parameter models: immutable, and an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class NamesPath:
    """Marks a type whose values may name a file or folder; a relative one starts at the project."""


PathText = Annotated[str, Field(min_length=1, coerce_numbers_to_str=True), NamesPath()]


class RunParameters(Parameters):
    """Parameters shared by every pipeline (``run.*``)."""

    seed: int = Field(ge=0, lt=2**31)
    training_share: float = Field(gt=0, le=1)
    threads: int = Field(ge=0, le=512)
    device: Literal["auto", "cpu", "cuda"]
    precision: Literal["auto", "fp32", "bf16"]
    memory_mb: int = Field(ge=0)
