"""Parameters of the features stage."""

from typing import Literal, NamedTuple

from pydantic import Field, model_validator

from lexipix.config.run import Parameters, PathText
from lexipix.config.training import TrainingParameters


class ImageEncoderSize(NamedTuple):
    """Channels and residual blocks at 1/2, 1/4 and 1/8 of the side, and the length of the embedding."""

    channels: tuple[int, int, int]
    blocks: tuple[int, int, int]
    embed_dim: int


IMAGE_ENCODER_SIZES = {
    "tiny": ImageEncoderSize((16, 32, 64), (0, 1, 0), 64),
    "compact": ImageEncoderSize((32, 64, 128), (1, 1, 1), 128),
    "small": ImageEncoderSize((48, 96, 192), (1, 2, 1), 128),
    "base": ImageEncoderSize((64, 128, 256), (1, 3, 2), 128),
    "large": ImageEncoderSize((128, 256, 512), (2, 4, 3), 256),
}
PRETRAINED_EMBED_DIM = 128


class ImageEncoderParameters(Parameters):
    """The image encoder (``features.image_encoder.*``)."""

    source: Literal["scratch", "pretrained"]
    size: Literal["tiny", "compact", "small", "base", "large"]
    path: PathText | None

    @model_validator(mode="after")
    def _has_path(self) -> "ImageEncoderParameters":
        if self.source == "pretrained" and self.path is None:
            raise ValueError("source = pretrained needs path, a folder or a name of a backbone")
        return self


class TextEncoderParameters(Parameters):
    """The text encoder (``features.text_encoder.*``); a bag of features has no layers to count."""

    kind: Literal["transformer", "bag_of_features"]
    width: int = Field(ge=32, le=1024, multiple_of=32)
    depth: int = Field(ge=1, le=12)


class FeaturesParameters(Parameters):
    """Parameters of the features stage (``features.*``)."""

    image_encoder: ImageEncoderParameters
    text_encoder: TextEncoderParameters
    tokenizer: PathText | None
    vocabulary: int = Field(ge=258, le=65536)
    max_tokens: int = Field(ge=4, le=512)
    words_weight: float = Field(ge=0, le=10)
    augment: bool
    flip: bool
    training: TrainingParameters
