"""Parameters of the ingestion: where the pictures come from and how they become one size."""

import string
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from lexipix.config.run import Parameters

Channel = Annotated[int, Field(ge=0, le=255)]
Share = Annotated[float, Field(gt=0, lt=0.5)]


def _template(*names: str) -> AfterValidator:
    def check(template: str) -> str:
        try:
            found = {name for _, name, _, _ in string.Formatter().parse(template) if name is not None}
        except ValueError as error:
            raise ValueError(f"{template!r} is no template: {error}") from None
        if unknown := found - set(names):
            allowed = ", ".join(f"{{{name}}}" for name in names)
            raise ValueError(f"{template!r} names {{{sorted(unknown)[0]}}}; allowed are {allowed}")
        return template

    return AfterValidator(check)


def _field_template(template: str) -> str:
    try:
        parts = list(string.Formatter().parse(template))
    except ValueError as error:
        raise ValueError(f"{template!r} is no template: {error}") from None
    fields = [(name, spec, conversion) for _, name, spec, conversion in parts if name is not None]
    if not fields:
        raise ValueError(f"{template!r} names no field: every picture would have the same caption")
    for name, spec, conversion in fields:
        if not name or spec or conversion or set(name) & set(".["):
            raise ValueError(f"{template!r} holds more than names of fields in braces, such as {{caption}}")
    return template


class SceneSourceParameters(Parameters):
    """The embedded scenes (``ingestion.source.scenes.*``).

    Attributes:
        n_train: Pictures in the training split; likewise ``n_val``, ``n_test``, ``n_judge``.
        max_objects: Objects in a scene at most.
        uncaptioned_share: Share of the training pictures whose caption is withheld, so that the captioner
            has something to do.
    """

    n_train: int = Field(ge=1)
    n_val: int = Field(ge=1)
    n_test: int = Field(ge=1)
    n_judge: int = Field(ge=1)
    max_objects: int = Field(ge=1, le=3)
    uncaptioned_share: float = Field(ge=0, le=0.9)


class Cifar10SourceParameters(Parameters):
    """CIFAR-10 (``ingestion.source.cifar10.*``).

    Attributes:
        caption_template: Caption from the noun a picture was searched by and its class; ``{a_noun}`` and
            ``{a_class}`` come with the article.
        class_template: Caption where the noun says no more than the class.
    """

    caption_template: Annotated[str, _template("noun", "a_noun", "class", "a_class")]
    class_template: Annotated[str, _template("class", "a_class")]


class FolderSourceParameters(Parameters):
    """A folder of pictures (``ingestion.source.folder.*``).

    Attributes:
        caption_field: Field of ``metadata.jsonl`` or ``metadata.csv`` that holds the caption.
        caption_templates: Wordings made of the fields of a row: the first that it can fill is the picture's
            caption, the others are paraphrases. ``{caption}`` is the field ``caption_field``, any other name
            the field of that name. A row that lacks a field, or has nothing there, goes without the wording.
        caption_values: Field -> value -> what the wordings say for it, as ``{style: {fluent3d: 3D}}``.
        label_template: Caption made of the name of a class folder, ``{a_label}`` with its article; null when
            the folders' names say nothing about the pictures.
    """

    caption_field: str = Field(min_length=1)
    caption_templates: tuple[Annotated[str, AfterValidator(_field_template)], ...] = Field(min_length=1)
    caption_values: dict[str, dict[str, str]]
    label_template: Annotated[str, _template("label", "a_label")] | None


class SourceParameters(Parameters):
    """Where the pictures come from (``ingestion.source.*``).

    Attributes:
        kind: Which source.
        path: Folder, or CIFAR-10's archive; relative to the project. The scenes need none.
        max_pictures: Read at most so many pictures of each part (training, test) of the source, evenly
            spread over it, for a quick run on a part; null reads all. The scenes have their own numbers.
    """

    kind: Literal["scenes", "cifar10", "folder"]
    path: str | None = Field(min_length=1, coerce_numbers_to_str=True)
    max_pictures: int | None = Field(ge=1)
    scenes: SceneSourceParameters
    cifar10: Cifar10SourceParameters
    folder: FolderSourceParameters


class ResizeParameters(Parameters):
    """How a picture becomes a square (``ingestion.resize.*``).

    Attributes:
        fit: ``crop`` keeps the middle square, ``pad`` keeps everything and fills up with the background.
        background: Red, green, blue (0 to 255) behind transparent pixels and around padded pictures.
        filter: Resampling; ``nearest`` keeps the hard edges of pixel art.
    """

    fit: Literal["crop", "pad"]
    background: tuple[Channel, Channel, Channel]
    filter: Literal["lanczos", "bicubic", "box", "nearest"]


class SplitParameters(Parameters):
    """Shares of the splits that the source does not decide itself (``ingestion.splits.*``).

    Where a source has its own test split, ``val`` and ``judge`` are shares of its training part.

    Attributes:
        val: For early stopping and choosing.
        test: For the final figures.
        judge: For training the evaluator, which no other model may share pictures with.
    """

    val: Share
    test: Share
    judge: Share

    @model_validator(mode="after")
    def _some_left(self) -> "SplitParameters":
        if self.val + self.test + self.judge > 0.9:
            raise ValueError("val, test and judge together leave less than a tenth for training")
        return self


class IngestionParameters(Parameters):
    """Parameters of the pipeline ``ingestion`` (``ingestion.*``).

    Attributes:
        image_size: Side of every picture in pixels, a multiple of 8.
        min_side: Pictures with a shorter side are rejected.
        max_pixels: Pictures with more pixels are rejected before they are decoded: a small file can claim
            to be huge. Each worker holds one such picture in memory.
        max_caption_chars: Pictures with a longer caption are rejected.
        max_reject_share: The run stops when a greater share of the pictures is rejected; duplicates do not
            count.
        allow_uncaptioned: Keep pictures without a caption, for the captioner to describe.
        captioner: Folder of an exported captioner from elsewhere (``06_models/onnx/captioner`` of another
            environment, or a copy), relative to the project; it describes the pictures of every split that
            have no caption, before anything is trained. Null: only the captioner of the same run does, which
            needs captions to learn from.
        workers: Threads that read pictures; 0 takes every core.
    """

    source: SourceParameters
    image_size: int = Field(ge=8, le=512, multiple_of=8)
    resize: ResizeParameters
    splits: SplitParameters
    min_side: int = Field(ge=1)
    max_pixels: int = Field(ge=1, le=178_956_970)
    max_caption_chars: int = Field(ge=1)
    max_reject_share: float = Field(ge=0, le=1)
    allow_uncaptioned: bool
    captioner: str | None = Field(min_length=1, coerce_numbers_to_str=True)
    workers: int = Field(ge=0, le=64)
