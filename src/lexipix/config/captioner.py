"""Parameters of the captioner."""

from typing import Literal, NamedTuple

from pydantic import Field, model_validator

from lexipix.config.run import Parameters, PathText
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
    """The language model (``captioner.language_model.*``)."""

    source: Literal["scratch", "pretrained"]
    size: Literal["nano", "small", "medium"]
    path: PathText | None
    frozen: bool

    @model_validator(mode="after")
    def _fits(self) -> "LanguageModelParameters":
        if self.source == "pretrained" and self.path is None:
            raise ValueError("source = pretrained needs path, a folder or a name of a language model")
        if self.source == "scratch" and self.frozen:
            raise ValueError("frozen = true needs source = pretrained: random weights must learn")
        return self


class TokenizerParameters(Parameters):
    """A tokenizer of the captioner's own (``captioner.tokenizer.*``)."""

    vocabulary: int = Field(ge=258, le=65536)
    max_tokens: int = Field(ge=4, le=512)


class CaptionerParameters(Parameters):
    """Parameters of the captioner (``captioner.*``)."""

    language_model: LanguageModelParameters
    tokenizer: TokenizerParameters | None
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
