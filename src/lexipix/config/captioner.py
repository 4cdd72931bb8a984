"""Parameters of the captioner."""

from typing import Literal, NamedTuple

from pydantic import Field, model_validator

from lexipix.config.run import Parameters
from lexipix.config.training import TrainingParameters


class LanguageModelSize(NamedTuple):
    """Width, a multiple of 32, and layers."""

    width: int
    depth: int


LANGUAGE_MODEL_SIZES = {
    "nano": LanguageModelSize(96, 2),
    "small": LanguageModelSize(128, 3),
    "medium": LanguageModelSize(192, 4),
}


class LanguageModelParameters(Parameters):
    """The language model (``captioner.language_model.*``).

    Attributes:
        source: ``scratch`` trains a small GPT-2, ``pretrained`` takes any causal language model.
        size: Of a GPT-2 from scratch.
        path: Of a pretrained one: a folder, or a name to fetch.
        frozen: Keep the weights of a pretrained one; only what encodes the image is trained.
    """

    source: Literal["scratch", "pretrained"]
    size: Literal["nano", "small", "medium"]
    path: str | None = Field(min_length=1, coerce_numbers_to_str=True)
    frozen: bool

    @model_validator(mode="after")
    def _fits(self) -> "LanguageModelParameters":
        if self.source == "pretrained" and self.path is None:
            raise ValueError("source = pretrained needs path, a folder or a name of a language model")
        if self.source == "scratch" and self.frozen:
            raise ValueError("frozen = true needs source = pretrained: random weights must learn")
        return self


class CaptionerParameters(Parameters):
    """Parameters of the captioner (``captioner.*``).

    Attributes:
        language_model: The language model.
        conditioning: On the image: ``cross_attention`` over the grid (from scratch only) or a ``prefix`` of
            embeddings; ``auto`` takes the first if possible.
        finetune_image_encoder: Learning rate of the image encoder as a share of the other one; 0 freezes it.
        text_only_share: Share of the batches without an image, as the generators use the language model.
        beams: 1 decodes greedily, more is beam search.
        min_confidence: The generators are trained on a generated caption if the geometric mean of its tokens'
            probabilities is at least this; 0 takes all.
        augment: Shift training images by up to two pixels.
        flip: Random horizontal flips; only if captions name no side.
        attention_images: Images whose attention is kept and drawn.
        training: Schedule.
    """

    language_model: LanguageModelParameters
    conditioning: Literal["auto", "cross_attention", "prefix"]
    finetune_image_encoder: float = Field(ge=0, le=10)
    text_only_share: float = Field(ge=0, lt=1)
    beams: int = Field(ge=1, le=16)
    min_confidence: float = Field(ge=0, le=1)
    augment: bool
    flip: bool
    attention_images: int = Field(ge=0, le=64)
    training: TrainingParameters

    @model_validator(mode="after")
    def _can_condition(self) -> "CaptionerParameters":
        if self.language_model.source == "pretrained" and self.conditioning == "cross_attention":
            raise ValueError(
                "a pretrained language model has no cross-attention: set conditioning to auto or prefix"
            )
        return self
