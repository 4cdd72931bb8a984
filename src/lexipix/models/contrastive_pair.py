"""The contrastive pair: an image encoder and a text encoder that meet in one vector space (CLIP)."""

import math
from collections.abc import Mapping
from typing import Any, Self

import torch
from torch import Tensor, nn

from lexipix.models.configurable_network import ConfigurableNetwork
from lexipix.models.image_encoder import ImageEncoder
from lexipix.models.image_encoder_factory import image_encoder_from_config
from lexipix.models.text_encoder import TextEncoder


class ContrastivePair(ConfigurableNetwork):
    """Image encoder, text encoder, the temperature between them, and a head that names the caption's words.

    Telling 64 captions apart needs only their coarsest words; naming every word needs the fine ones too
    (which shape, which bird). The head serves training alone (Joulin et al. 2016, arXiv 1511.02251).
    """

    kind = "contrastive_pair"

    def __init__(self, image_encoder: ImageEncoder, text_encoder: TextEncoder) -> None:
        super().__init__()
        self.image_encoder = image_encoder
        self.text_encoder = text_encoder
        vocabulary = text_encoder.tokens.num_embeddings
        self.words = nn.Linear(image_encoder.pooled_width, vocabulary)
        nn.init.constant_(self.words.bias, -3.0)  # most words are absent from most captions
        self.log_scale = nn.Parameter(torch.tensor(math.log(10.0)))

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """Build the pair with random weights.

        Args:
            config: ``image_encoder`` (see :func:`image_encoder_from_config`) and ``text_encoder``.
        """
        return cls(image_encoder_from_config(config["image_encoder"]), TextEncoder(**config["text_encoder"]))

    def similarities(self, image_vectors: Tensor, text_vectors: Tensor) -> Tensor:
        """Scaled cosines: (N, D) and (M, D) to (N, M)."""
        return self.log_scale.exp().clamp(max=100.0) * image_vectors.float() @ text_vectors.float().T
