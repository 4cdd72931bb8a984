"""Text(f(I)) = LLM(f(I)): a causal language model that reads a picture's feature grid.

A small GPT-2 of our own reads the grid by cross-attention. A pretrained causal language model of any family
has no cross-attention, so it reads the grid as a prefix of embeddings in front of the text. Either can also
run without a picture; its hidden states for a caption are what the generators draw from.
"""

import math
from collections.abc import Mapping
from typing import Any, Literal, Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import AutoConfig, AutoModelForCausalLM, GPT2Config, GPT2LMHeadModel, PreTrainedModel

from lexipix.models.configurable_network import ConfigurableNetwork
from lexipix.models.greedy import most_likely_words
from lexipix.models.image_encoder import ImageEncoder
from lexipix.models.image_encoder_factory import image_encoder_from_config

Conditioning = Literal["cross_attention", "prefix"]
PREFIX_SIDE = 4  # a prefix of 4 x 4 pooled cells: every cell would cost a position in every layer


def small_gpt2(
    vocabulary: int,
    positions: int,
    width: int,
    depth: int,
    eos_id: int,
    *,
    cross_attention: bool = True,
) -> GPT2LMHeadModel:
    """A GPT-2 with random weights, without dropout; heads are 32 wide."""
    config = GPT2Config(
        vocab_size=vocabulary,
        n_positions=positions,
        n_embd=width,
        n_layer=depth,
        n_head=width // 32,
        add_cross_attention=cross_attention,
        resid_pdrop=0.0,
        embd_pdrop=0.0,
        attn_pdrop=0.0,
        bos_token_id=eos_id,
        eos_token_id=eos_id,
        # None: padding stands behind the text, where a causal model never looks, and needs no mask
        pad_token_id=None,
    )
    return GPT2LMHeadModel(config)


def language_model_from_config(config: dict[str, Any]) -> PreTrainedModel:
    """A causal language model with random weights from the dictionary that its ``config.to_dict()`` gave."""
    model: PreTrainedModel = AutoModelForCausalLM.from_config(AutoConfig.for_model(**config))
    return model


class Captioner(ConfigurableNetwork):
    """An image encoder, a language model, and the layer that lets the one read the other.

    Args:
        image_encoder: Gives the feature grid.
        language_model: Any causal language model of transformers.
        conditioning: ``cross_attention`` needs a model built with it.
        cells: Grid cells per picture.
        start_id: Token before the first word (GPT-2's way: its end-of-text token).
        pad_id: Token behind the last word.
        eos_id: Token that ends a caption.
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
        self.image_encoder = image_encoder
        self.language_model = language_model
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
        """Build the captioner with random weights.

        Args:
            config: ``image_encoder`` (see :func:`image_encoder_from_config`), ``language_model`` (a
                dictionary of transformers), and the other arguments of the constructor.
        """
        image_encoder = image_encoder_from_config(config["image_encoder"])
        language_model = language_model_from_config(config["language_model"])
        return cls(**{**config, "image_encoder": image_encoder, "language_model": language_model})

    def read(self, images: Tensor) -> Tensor:
        """Pictures in [-1, 1], (B, 3, S, S), as a sequence the language model reads: (B, cells, width)."""
        grid = self.image_encoder(images).grid
        if self.conditioning == "prefix":
            side = round(grid.shape[1] ** 0.5)
            square = grid.transpose(1, 2).unflatten(2, (side, side))
            grid = F.adaptive_avg_pool2d(square, PREFIX_SIDE).flatten(2).transpose(1, 2)
        cells: Tensor = self.adapter(grid) + self.positions
        return cells

    def _shifted(self, ids: Tensor) -> Tensor:
        """Inputs that predict ``ids``: the start token, then all but the last."""
        start = ids.new_full((len(ids), 1), self.start_id)
        return torch.cat([start, ids[:, :-1]], dim=1)

    def _with_prefix(self, cells: Tensor, inputs: Tensor) -> Tensor:
        words: Tensor = self.language_model.get_input_embeddings()(inputs)
        return torch.cat([cells.to(words.dtype), words], dim=1)

    def logits(self, ids: Tensor, cells: Tensor | None) -> Tensor:
        """Logits (B, L, V) of ``ids`` (B, L), each given the words before it and the picture, if any."""
        inputs = self._shifted(ids)
        model = self.language_model
        if cells is None:
            logits: Tensor = model(input_ids=inputs, use_cache=False).logits
        elif self.conditioning == "cross_attention":
            logits = model(input_ids=inputs, encoder_hidden_states=cells, use_cache=False).logits
        else:
            together = self._with_prefix(cells, inputs)
            logits = model(inputs_embeds=together, use_cache=False).logits[:, cells.shape[1] :]
        return logits

    def loss(self, ids: Tensor, cells: Tensor | None) -> Tensor:
        """Mean cross-entropy per token of captions ``ids`` (B, L); padding does not count, EOS does."""
        logits = self.logits(ids, cells).float()
        return F.cross_entropy(logits.flatten(0, 1), ids.flatten(), ignore_index=self.pad_id)

    def description_bits(self, ids: Tensor) -> Tensor:
        """Bits of captions that are written down for a reader who has this language model and no picture.

        Args:
            ids: (B, L), ending in EOS, then padding, which is not counted.

        Returns:
            (B,).
        """
        return self._lengths(ids, None) / math.log(2)

    def surprise(self, ids: Tensor, cells: Tensor | None) -> Tensor:
        """Mean negative log likelihood of each caption's tokens, EOS included, (B,), in nats."""
        return self._lengths(ids, cells) / (ids != self.pad_id).sum(1)

    def _lengths(self, ids: Tensor, cells: Tensor | None) -> Tensor:
        logs = self.logits(ids, cells).float().log_softmax(-1)
        own = logs.gather(-1, ids[..., None]).squeeze(-1)
        return -own.masked_fill(ids == self.pad_id, 0.0).sum(1)

    @torch.no_grad()
    def generate(self, images: Tensor, max_tokens: int, beams: int = 1) -> Tensor:
        """Caption pictures in [-1, 1], (B, 3, S, S), with a key-value cache.

        Args:
            images: The pictures.
            max_tokens: Longest caption, EOS included.
            beams: 1 takes the most likely word each time, more follow so many captions side by side.

        Returns:
            Ids (B, L), each row closed by EOS and then padding, or cut at ``max_tokens``.
        """
        cells = self.read(images)
        if self.conditioning == "cross_attention" and beams == 1:
            ends = {"start_id": self.start_id, "pad_id": self.pad_id, "eos_id": self.eos_id}
            return most_likely_words(self.language_model, cells, max_tokens, **ends)
        start = torch.full((len(images), 1), self.start_id, device=images.device)
        options: dict[str, Any] = {
            "max_new_tokens": max_tokens,
            "num_beams": beams,
            "do_sample": False,
            "use_cache": True,
            "pad_token_id": self.pad_id,
            "eos_token_id": self.eos_id,
            "bos_token_id": self.start_id,
        }
        if self.conditioning == "cross_attention":
            ids: Tensor = self.language_model.generate(
                input_ids=start, encoder_hidden_states=cells, attention_mask=torch.ones_like(start), **options
            )
            return ids[:, 1:]
        together = self._with_prefix(cells, start)
        mask = torch.ones(together.shape[:2], dtype=torch.long, device=images.device)
        ids = self.language_model.generate(inputs_embeds=together, attention_mask=mask, **options)
        return ids

    @torch.no_grad()
    def attention(self, images: Tensor, ids: Tensor) -> Tensor:
        """Where each word looked, averaged over layers and heads.

        Args:
            images: (B, 3, S, S) in [-1, 1].
            ids: (B, L), the captions.

        Returns:
            (B, L, cells), each row of sum 1: the cross-attention, or what a word gives to the cells
            of the prefix.
        """
        cells, inputs = self.read(images), self._shifted(ids)
        model = self.language_model
        before = model.config._attn_implementation
        model.set_attn_implementation("eager")  # the fast kernels do not give their weights away
        try:
            if self.conditioning == "cross_attention":
                layers = model(
                    input_ids=inputs, encoder_hidden_states=cells, output_attentions=True, use_cache=False
                ).cross_attentions
                return torch.stack(layers).float().mean((0, 2))
            together = self._with_prefix(cells, inputs)
            layers = model(inputs_embeds=together, output_attentions=True, use_cache=False).attentions
        finally:
            model.set_attn_implementation(before)
        n_cells = cells.shape[1]
        maps = torch.stack(layers).float().mean((0, 2))[:, n_cells:, :n_cells]
        return maps / maps.sum(-1, keepdim=True).clamp_min(1e-9)
