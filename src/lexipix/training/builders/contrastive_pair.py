"""The contrastive pair that the parameters describe."""

from typing import Any, Protocol

from lexipix.config.features import (
    IMAGE_ENCODER_SIZES,
    PRETRAINED_EMBED_DIM,
    FeaturesParameters,
    ImageEncoderParameters,
)
from lexipix.models.contrastive_pair import ContrastivePair
from lexipix.utils.types import PretrainedBackbone


class Pretrained(Protocol):
    """What the catalog entry ``pretrained_models`` gives."""

    def backbone(self, path: str, key: str) -> PretrainedBackbone:
        """Read an image backbone from a folder or by name."""

    def tokenizer(self, path: str, key: str) -> str:
        """Read a language model's tokenizer from a folder or by name."""


def make_pair(
    parameters: FeaturesParameters, vocabulary: int, pretrained: Pretrained
) -> tuple[ContrastivePair, dict[str, Any]]:
    """Build the networks, with random weights from torch's global generator, and their description."""
    image_encoder, backbone = _describe_image_encoder(parameters.image_encoder, pretrained)
    config = {
        "image_encoder": image_encoder,
        "text_encoder": {
            "vocabulary": vocabulary,
            "max_tokens": parameters.max_tokens,
            "width": parameters.text_encoder.width,
            "depth": parameters.text_encoder.depth,
            "embed_dim": image_encoder["embed_dim"],
        },
    }
    pair = ContrastivePair.from_config(config)
    if backbone is not None:
        pair.image_encoder.get_submodule("backbone").load_state_dict(backbone.model.state_dict())
    return pair, config


def _describe_image_encoder(
    parameters: ImageEncoderParameters, pretrained: Pretrained
) -> tuple[dict[str, Any], PretrainedBackbone | None]:
    if parameters.source == "pretrained":
        assert parameters.path is not None  # the parameters are validated
        backbone = pretrained.backbone(parameters.path, "features.image_encoder.path")
        return {
            "backbone": backbone.model.config.to_dict(),
            "mean": list(backbone.mean),
            "std": list(backbone.std),
            "embed_dim": PRETRAINED_EMBED_DIM,
        }, backbone
    size = IMAGE_ENCODER_SIZES[parameters.size]
    return {
        "channels": list(size.channels),
        "blocks": list(size.blocks),
        "embed_dim": size.embed_dim,
    }, None
