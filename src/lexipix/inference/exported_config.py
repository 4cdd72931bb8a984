"""The configurations of exported models, checked before use: a model may come from somebody else."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from lexipix.config.generation import Quality
from lexipix.config.ingestion import ResizeParameters
from lexipix.utils.errors import LexipixError

_AGAIN = "run `kedro run --pipelines compression` again, with the same --env."
REMEDY = f"It is damaged or from another version: {_AGAIN}"  # ends the errors of exported models
Id = Annotated[int, Field(ge=0, lt=2**31)]
Size = Annotated[int, Field(ge=1, le=4096)]


class ExportedConfig(BaseModel):
    """What every exported model says of itself; further keys are allowed."""

    model_config = ConfigDict(extra="allow", frozen=True)

    image_size: Size  # pixels of a side
    image_channels: Literal[3, 4] = 3
    max_tokens: int = Field(ge=1, le=65_536)  # of a text


class RetrievalConfig(BaseModel):
    """How a generator chooses among the images of its memory."""

    n_neighbors: int = Field(ge=1, le=1024)
    temperature: float = Field(ge=0, le=1000, allow_inf_nan=False)


class GeneratorConfig(ExportedConfig):
    """A generator."""

    noise_dim: int = Field(ge=1, le=65_536)
    known_words: list[str]
    retrieval: RetrievalConfig | None = None


class CaptionerConfig(ExportedConfig):
    """A captioner; ``memory`` is layers, heads and width of its attention cache."""

    start_id: Id
    pad_id: Id
    eos_id: Id
    memory: tuple[Size, Size, Size] | None = None


class ChosenCaptionerConfig(CaptionerConfig):
    """The captioner that the compression chose; ``resize`` says how its images are made square."""

    resize: ResizeParameters


class ChampionConfig(BaseModel):
    """Which variant of a champion serves each quality."""

    family: str
    qualities: dict[Quality, str]
    nearest_words: dict[str, str] | None = None


Config = TypeVar("Config", bound=BaseModel)


def checked(kind: type[Config], config: Mapping[str, Any]) -> Config:
    """A configuration with its types and limits checked; a LexipixError names the first wrong key."""
    try:
        return kind.model_validate(dict(config))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = ".".join(map(str, first["loc"]))
        raise LexipixError(
            f"An exported model's config.json is not valid ({key}: {first['msg']}). {REMEDY}"
        ) from None
