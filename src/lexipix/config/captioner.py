"""Parameters of the captioner: which language model, and how it reads the picture."""

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
        frozen: Leave a pretrained one as it is and train only what shows it the picture.
    """

    source: Literal["scratch", "pretrained"] = "scratch"
    size: Literal["nano", "small", "medium"] = "small"
    path: str | None = Field(None, min_length=1, coerce_numbers_to_str=True)
    frozen: bool = False

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
        language_model: What writes.
        conditioning: How it reads the picture: by ``cross_attention`` over the grid (from scratch only) or as
            a ``prefix`` of embeddings; ``auto`` takes the first where it can.
        finetune_image_encoder: Learning rate of the image encoder as a share of the other one; 0 leaves it
            as the features stage made it.
        text_only_share: Share of the batches without a picture: the generators use the language model so.
        beams: 1 writes greedily, more search for the likeliest caption.
        min_confidence: The generators learn from a generated caption where its tokens have at least this
            probability (geometric mean); 0 takes all.
        augment: Shift training pictures by up to two pixels.
        flip: Mirror training pictures; only where captions name no side.
        attention_pictures: Pictures whose attention is kept and drawn.
        training: Its length and pace.
    """

    language_model: LanguageModelParameters = LanguageModelParameters()
    conditioning: Literal["auto", "cross_attention", "prefix"] = "auto"
    finetune_image_encoder: float = Field(1.0, ge=0, le=10)
    text_only_share: float = Field(0.25, ge=0, lt=1)
    beams: int = Field(1, ge=1, le=16)
    min_confidence: float = Field(0.0, ge=0, le=1)
    augment: bool = False
    flip: bool = False
    attention_pictures: int = Field(8, ge=0, le=64)
    training: TrainingParameters

    @model_validator(mode="after")
    def _can_condition(self) -> "CaptionerParameters":
        if self.language_model.source == "pretrained" and self.conditioning == "cross_attention":
            raise ValueError(
                "a pretrained language model has no cross-attention: set conditioning to auto or prefix"
            )
        return self
