"""Parameters of the features stage: an image encoder and a text encoder trained to agree."""

from typing import Literal, NamedTuple

from pydantic import Field, model_validator

from lexipix.config.run import Parameters
from lexipix.config.training import TrainingParameters


class ImageEncoderSize(NamedTuple):
    """Channels and residual blocks at 1/2, 1/4 and 1/8 of the side, and the length of the vector."""

    channels: tuple[int, int, int]
    blocks: tuple[int, int, int]
    embed_dim: int


IMAGE_ENCODER_SIZES = {
    "tiny": ImageEncoderSize((16, 32, 64), (0, 1, 0), 64),
    "small": ImageEncoderSize((48, 96, 192), (1, 2, 1), 128),
    "base": ImageEncoderSize((64, 128, 256), (1, 3, 2), 128),
    "large": ImageEncoderSize((128, 256, 512), (2, 4, 3), 256),
}
PRETRAINED_VECTOR_WIDTH = 128


class ImageEncoderParameters(Parameters):
    """The image encoder (``features.image_encoder.*``).

    Attributes:
        source: ``scratch`` trains a small CNN, ``pretrained`` puts a trainable head on a frozen backbone.
        size: Of a CNN from scratch.
        path: Of a pretrained backbone: a folder, or a name to fetch; any that transformers can use as one.
    """

    source: Literal["scratch", "pretrained"] = "scratch"
    size: Literal["tiny", "small", "base", "large"] = "small"
    path: str | None = Field(None, min_length=1, coerce_numbers_to_str=True)

    @model_validator(mode="after")
    def _has_path(self) -> "ImageEncoderParameters":
        if self.source == "pretrained" and self.path is None:
            raise ValueError("source = pretrained needs path, a folder or a name of a backbone")
        return self


class TextEncoderParameters(Parameters):
    """The text encoder (``features.text_encoder.*``).

    Attributes:
        width: Of the transformer, a multiple of 32.
        depth: Its layers.
    """

    width: int = Field(128, ge=32, le=1024, multiple_of=32)
    depth: int = Field(2, ge=1, le=12)


class FeaturesParameters(Parameters):
    """Parameters of the features stage (``features.*``).

    Attributes:
        image_encoder: What sees the pictures.
        text_encoder: What reads the captions.
        tokenizer: Of a pretrained language model, a folder or a name to fetch: captions are read with it
            instead of one that is trained on them. Needed where the captioner's language model is pretrained.
        vocabulary: Ids of an own tokenizer at most; 258 are the single bytes, the padding and the end.
        max_tokens: Longer captions are cut.
        words_weight: Weight of naming the caption's words beside telling captions apart.
        augment: Shift training pictures by up to two pixels.
        flip: Mirror training pictures; only where captions name no side.
        training: Its length and pace.
    """

    image_encoder: ImageEncoderParameters = ImageEncoderParameters()
    text_encoder: TextEncoderParameters = TextEncoderParameters()
    tokenizer: str | None = Field(None, min_length=1, coerce_numbers_to_str=True)
    vocabulary: int = Field(512, ge=258, le=65536)
    max_tokens: int = Field(48, ge=4, le=512)
    words_weight: float = Field(0.3, ge=0, le=10)
    augment: bool = False
    flip: bool = False
    training: TrainingParameters
