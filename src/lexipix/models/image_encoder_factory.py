"""Image encoders from their dictionaries."""

from collections.abc import Mapping
from typing import Any

from lexipix.models.image_encoder import ConvImageEncoder, ImageEncoder


def image_encoder_from_config(config: Mapping[str, Any]) -> ImageEncoder:
    """Build an image encoder with random weights, on a backbone of transformers if ``config`` has one."""
    if "backbone" in config:
        # Imported here because transformers takes seconds to import, and only a backbone needs it
        from lexipix.models.pretrained_image_encoder import PretrainedImageEncoder, backbone_from_config

        return PretrainedImageEncoder(
            backbone_from_config(config["backbone"]), config["mean"], config["std"], config["embed_dim"]
        )
    config = {**config, "channels": tuple(config["channels"]), "blocks": tuple(config["blocks"])}
    return ConvImageEncoder(**config)
