"""Parameters of the ingestion: where the images come from and how they become one size."""

import string
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from lexipix.config.run import Parameters, PathText

Channel = Annotated[int, Field(ge=0, le=255)]
Share = Annotated[float, Field(gt=0, lt=0.5)]


def _fields(template: str) -> list[tuple[str, str | None, str | None]]:
    """Name, format and conversion of each field in braces."""
    try:
        parts = list(string.Formatter().parse(template))
    except ValueError as error:
        raise ValueError(f"{template!r} is no template: {error}") from None
    return [(name, spec, conversion) for _, name, spec, conversion in parts if name is not None]


def _template(*names: str) -> AfterValidator:
    def check(template: str) -> str:
        if unknown := {name for name, *_ in _fields(template)} - set(names):
            allowed = ", ".join(f"{{{name}}}" for name in names)
            raise ValueError(f"{template!r} names {{{sorted(unknown)[0]}}}; allowed are {allowed}")
        return template

    return AfterValidator(check)


def _field_template(template: str) -> str:
    fields = _fields(template)
    if not fields:
        raise ValueError(f"{template!r} names no field: every image would have the same caption")
    for name, spec, conversion in fields:
        if not name or spec or conversion or set(name) & set(".["):
            raise ValueError(f"{template!r} holds more than names of fields in braces, such as {{caption}}")
    return template


class SceneSourceParameters(Parameters):
    """The embedded scenes (``ingestion.source.scenes.*``)."""

    n_train: int = Field(ge=1)
    n_val: int = Field(ge=1)
    n_test: int = Field(ge=1)
    max_objects: int = Field(ge=1, le=3)
    uncaptioned_share: float = Field(ge=0, le=0.9)


class Cifar10SourceParameters(Parameters):
    """CIFAR-10 (``ingestion.source.cifar10.*``)."""

    caption_template: Annotated[str, _template("noun", "a_noun", "class", "a_class")]
    class_template: Annotated[str, _template("class", "a_class")]


class FolderSourceParameters(Parameters):
    """A folder of images (``ingestion.source.folder.*``)."""

    caption_field: str = Field(min_length=1)
    caption_templates: tuple[Annotated[str, AfterValidator(_field_template)], ...] = Field(min_length=1)
    caption_values: dict[str, dict[str, str]]
    label_template: Annotated[str, _template("label", "a_label")] | None
    min_named_share: float = Field(ge=0, le=1)


class SourceParameters(Parameters):
    """Where the images come from (``ingestion.source.*``)."""

    kind: Literal["scenes", "cifar10", "folder"]
    path: PathText | None
    max_images: int | None = Field(ge=1)
    scenes: SceneSourceParameters
    cifar10: Cifar10SourceParameters
    folder: FolderSourceParameters


class ResizeParameters(Parameters):
    """How an image becomes a square (``ingestion.resize.*``)."""

    fit: Literal["auto", "crop", "pad"]
    background: tuple[Channel, Channel, Channel]
    filter: Literal["auto", "lanczos", "bicubic", "box", "nearest"]


class SplitParameters(Parameters):
    """Shares of the splits that the source does not decide itself (``ingestion.splits.*``)."""

    val: Share
    test: Share
    pairs: float = Field(ge=0, lt=0.5)
    by: Literal["auto", "image", "concept"]

    @model_validator(mode="after")
    def _some_left(self) -> "SplitParameters":
        if self.val + self.test > 0.9:
            raise ValueError(
                f"val + test = {self.val + self.test:g} leaves less than a tenth for training: lower them to "
                "a sum of 0.9 or less"
            )
        return self


class IngestionParameters(Parameters):
    """Parameters of the pipeline ``ingestion`` (``ingestion.*``)."""

    source: SourceParameters
    image_size: int | None = Field(ge=8, le=512, multiple_of=8)
    alpha: Literal["auto", "keep", "flatten"]
    resize: ResizeParameters
    splits: SplitParameters
    min_side: int = Field(ge=1)
    max_pixels: int = Field(ge=1, le=178_956_970)
    max_caption_chars: int = Field(ge=1)
    max_reject_share: float = Field(ge=0, le=1)
    allow_uncaptioned: bool
    captioner: PathText | None
    shard_rows: int | None = Field(ge=1)
    workers: int = Field(ge=0, le=64)

    @property
    def size(self) -> int:
        """Side of the images in pixels; 32 where it is found in the data and there are none to look at."""
        return 32 if self.image_size is None else self.image_size
