"""The contrastive pair: an image encoder and a text encoder with a common embedding space (CLIP)."""

import math
from collections.abc import Mapping
from typing import Any, Self

import torch
from torch import Tensor, nn

from lexipix.models.configurable_network import ConfigurableNetwork
from lexipix.models.image_encoder import ImageEncoder
from lexipix.models.image_encoder_factory import image_encoder_from_config
from lexipix.models.text_encoder import BagOfFeatures, TextEncoder, text_encoder_from_config

MAX_SCALE = 100.0


class ContrastivePair(ConfigurableNetwork):
    """Image encoder, text encoder, temperature, and a head that predicts the tokens of an image's caption.

    The contrastive loss over a batch of 64 captions needs only their coarsest words. The token head, which
    is used in training only, makes the image encoder learn the fine ones too (Joulin et al. 2016, arXiv
    1511.02251). A pair that learns without it has none.
    """

    kind = "contrastive_pair"

    def __init__(
        self, image_encoder: ImageEncoder, text_encoder: TextEncoder | BagOfFeatures, n_predicted: int
    ) -> None:
        super().__init__()
        self.image_encoder, self.text_encoder = image_encoder, text_encoder
        self.token_head: nn.Linear | None = None
        if n_predicted:
            self.token_head = nn.Linear(image_encoder.pooled_width, n_predicted)
            nn.init.constant_(self.token_head.bias, -3.0)  # most tokens are absent from most captions
        self.log_scale = nn.Parameter(torch.tensor(math.log(10.0)))

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """Build the pair with random weights from the dictionaries ``image_encoder`` and ``text_encoder``.

        ``n_predicted`` is the vocabulary of the token head, or 0.
        """
        image_encoder = image_encoder_from_config(config["image_encoder"])
        return cls(image_encoder, text_encoder_from_config(config["text_encoder"]), config["n_predicted"])

    def similarities(self, image_embeddings: Tensor, text_embeddings: Tensor) -> Tensor:
        """Scaled cosine similarities (N, M) of unit vectors (N, D) and (M, D)."""
        scale = self.log_scale.exp().clamp(max=MAX_SCALE)
        return scale * image_embeddings.float() @ text_embeddings.float().T
