"""What holds for a whole run: the seed, the threads and device, the numerical precision."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

MAX_NUMBER = 10**12  # largest absolute value of any parameter


class Parameters(BaseModel):
    """Base of all parameter models: immutable; unknown keys, NaN, infinity and huge numbers are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @field_validator("*")
    @classmethod
    def _is_within_limits(cls, value: Any) -> Any:
        if isinstance(value, int | float) and abs(value) > MAX_NUMBER:
            raise ValueError(f"numbers from -{MAX_NUMBER:,} to {MAX_NUMBER:,} are allowed")
        return value


class NamesPath:
    """Marks a type whose values may name a file or folder; a relative one starts at the project."""


PathText = Annotated[str, Field(min_length=1), NamesPath()]


class RunParameters(Parameters):
    """Parameters shared by every pipeline (``run.*``)."""

    seed: int = Field(ge=0, lt=2**31)
    training_share: float = Field(gt=0, le=1)
    threads: int = Field(ge=0, le=512)
    device: Literal["auto", "cpu", "cuda"]
    precision: Literal["auto", "fp32", "bf16"]
    memory_mb: int = Field(ge=0)
