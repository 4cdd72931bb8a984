"""The captioner: a causal language model with cross-attention to the features of an image, or with a prefix.

The generators use its hidden states for captions, without an image.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lexipix.models.configurable_network import ConfigurableNetwork
from lexipix.models.image_encoder import ImageEncoder
from lexipix.models.image_encoder_factory import image_encoder_from_config
from lexipix.models.language_model import language_model_from_config

if TYPE_CHECKING:
    from transformers import PreTrainedModel

Conditioning = Literal["cross_attention", "prefix"]
PREFIX_SIDE = 4  # a prefix of 4 x 4 pooled cells; each cell takes a position in every layer


class Captioner(ConfigurableNetwork):
    """An image encoder, a causal language model, and an adapter from image features to its inputs.

    The token ``start_id`` is in front of a text, ``eos_id`` ends it, and ``pad_id`` is behind. The
    ``conditioning`` ``cross_attention`` needs a language model that was built with it.
    """

    kind = "captioner"

    def __init__(
        self,
        image_encoder: ImageEncoder,
        language_model: PreTrainedModel,
        conditioning: Conditioning,
        cells: int,
        *,
        start_id: int,
        pad_id: int,
        eos_id: int,
    ) -> None:
        super().__init__()
        self.image_encoder, self.language_model = image_encoder, language_model
        self.conditioning = conditioning
        self.start_id, self.pad_id, self.eos_id = start_id, pad_id, eos_id
        width = int(language_model.get_input_embeddings().embedding_dim)
        self.adapter = nn.Sequential(
            nn.LayerNorm(image_encoder.grid_width), nn.Linear(image_encoder.grid_width, width)
        )
        if conditioning == "prefix":
            cells = PREFIX_SIDE**2
        self.positions = nn.Parameter(torch.randn(cells, width) * 0.02)

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """Build the captioner with random weights; both networks in ``config`` are dictionaries."""
        image_encoder = image_encoder_from_config(config["image_encoder"])
        language_model = language_model_from_config(config["language_model"])
        return cls(**{**config, "image_encoder": image_encoder, "language_model": language_model})

    def encode_images(self, images: Tensor) -> Tensor:
        """Encode images in [-1, 1], (B, 3, S, S), as input of the language model, (B, cells, W)."""
        grid = self.image_encoder(images).grid
        if self.conditioning == "prefix":
            side = round(grid.shape[1] ** 0.5)
            square = grid.transpose(1, 2).unflatten(2, (side, side))
            grid = F.adaptive_avg_pool2d(square, PREFIX_SIDE).flatten(2).transpose(1, 2)
        cells: Tensor = self.adapter(grid) + self.positions
        return cells

    def _shift_right(self, ids: Tensor) -> Tensor:
        start = ids.new_full((len(ids), 1), self.start_id)
        return torch.cat([start, ids[:, :-1]], dim=1)

    def _inputs(self, ids: Tensor, cells: Tensor | None) -> dict[str, Tensor]:
        if cells is None:
            return {"input_ids": ids}
        if self.conditioning == "cross_attention":
            return {"input_ids": ids, "encoder_hidden_states": cells}
        tokens: Tensor = self.language_model.get_input_embeddings()(ids)
        return {"inputs_embeds": torch.cat([cells.to(tokens.dtype), tokens], dim=1)}  # (B, cells + L, W)

    def logits(self, ids: Tensor, cells: Tensor | None) -> Tensor:
        """Logits (B, L, V) for ``ids`` (B, L), each given the tokens before it and the image, if any."""
        inputs = self._inputs(self._shift_right(ids), cells)
        logits: Tensor = self.language_model(**inputs, use_cache=False).logits
        return logits[:, -ids.shape[1] :] if "inputs_embeds" in inputs else logits

    def loss(self, ids: Tensor, cells: Tensor | None) -> Tensor:
        """Mean cross-entropy per token of captions ``ids`` (B, L); EOS counts, padding does not."""
        logits = self.logits(ids, cells).float()
        return F.cross_entropy(logits.flatten(0, 1), ids.flatten(), ignore_index=self.pad_id)

    def description_bits(self, ids: Tensor) -> Tensor:
        """Bits of captions (B, L) for a receiver with this language model and no image, (B,)."""
        return self._nll(ids, None) / math.log(2)

    def mean_nll(self, ids: Tensor, cells: Tensor | None) -> Tensor:
        """Mean negative log-likelihood of each caption's tokens in nats, (B,); EOS counts."""
        return self._nll(ids, cells) / (ids != self.pad_id).sum(1)

    def _nll(self, ids: Tensor, cells: Tensor | None) -> Tensor:
        log_probs = self.logits(ids, cells).float().log_softmax(-1)
        of_ids = log_probs.gather(-1, ids[..., None]).squeeze(-1)
        return -of_ids.masked_fill(ids == self.pad_id, 0.0).sum(1)

    @torch.no_grad()
    def generate(self, images: Tensor, max_tokens: int, beams: int = 1) -> Tensor:
        """Ids (B, L) of captions of images in [-1, 1], (B, 3, S, S); with one beam, decode greedily.

        Each row is closed by EOS and then padding, or cut at ``max_tokens``.
        """
        cells = self.encode_images(images)
        start = torch.full((len(images), 1), self.start_id, device=images.device)
        inputs = self._inputs(start, cells)
        first = inputs.get("inputs_embeds", start)
        ids: Tensor = self.language_model.generate(
            **inputs,
            attention_mask=torch.ones(first.shape[:2], dtype=torch.long, device=images.device),
            max_new_tokens=max_tokens,
            num_beams=beams,
            do_sample=False,
            use_cache=True,
            pad_token_id=self.pad_id,
            eos_token_id=self.eos_id,
            bos_token_id=self.start_id,
        )
        return ids[:, 1:] if "input_ids" in inputs else ids  # embeddings are not part of the result

    @torch.no_grad()
    def attention(self, images: Tensor, ids: Tensor) -> Tensor:
        """Attention of each caption token to the image, averaged over layers and heads: (B, L, cells).

        Each row, of cross-attention or of attention to the prefix, has sum 1.
        """
        cells = self.encode_images(images)
        inputs = self._inputs(self._shift_right(ids), cells)
        model, n_cells = self.language_model, cells.shape[1]
        implementation = model.config._attn_implementation
        model.set_attn_implementation("eager")  # the fused kernels do not return attention weights
        try:
            output = model(**inputs, output_attentions=True, use_cache=False)
        finally:
            model.set_attn_implementation(implementation)
        if self.conditioning == "cross_attention":
            return torch.stack(output.cross_attentions).float().mean((0, 2))
        maps = torch.stack(output.attentions).float().mean((0, 2))[:, n_cells:, :n_cells]
        return maps / maps.sum(-1, keepdim=True).clamp_min(1e-9)
