"""The text-to-image model of the image tokens: a token generator, then the image tokenizer's decoder."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self

import torch
from torch import Tensor, nn

from lexipix.models.conditional_generator import ConditionalGenerator
from lexipix.models.image_tokenizer import ImageTokenizer
from lexipix.models.language_model import append_language_model_states, language_model_from_config
from lexipix.models.text_encoder import TextEncoder
from lexipix.models.text_prior import TextPrior
from lexipix.models.token_generator import HintedTextEncoding, TokenGenerator
from lexipix.models.vae import GRID

if TYPE_CHECKING:
    from transformers import PreTrainedModel


class PriorHint(nn.Module):
    """The latents of a trained, frozen text prior without noise, as an input of the token generator."""

    def __init__(self, language_model: PreTrainedModel, prior: TextPrior) -> None:
        super().__init__()
        self.language_model, self.prior = language_model, prior

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """Build it with random weights from the keys ``language_model`` and ``prior``."""
        return cls(language_model_from_config(config["language_model"]), TextPrior(**config["prior"]))

    def forward(self, ids: Tensor, mask: Tensor, hidden_states: Tensor, embedding: Tensor) -> Tensor:
        """Latents of each cell, (B, 64, C); hidden states and embedding are those of the text encoder."""
        hidden_states = append_language_model_states(self.language_model, ids, mask, hidden_states)
        no_noise = embedding.new_zeros(len(ids), self.prior.noise_dim)
        latents = self.prior.sample_latents(self.prior.condition(hidden_states, mask, embedding), no_noise)
        return latents.flatten(2).transpose(1, 2)


def token_generator_from_config(
    config: Mapping[str, Any],
    language_model: PreTrainedModel,
    text_encoder: TextEncoder,
    noise_at_start: bool = True,
) -> TokenGenerator:
    """Build the token generator of a :class:`TokensToImage` with random weights around a language model."""
    generator, hint = config["token_generator"], config.get("prior_hint")
    return TokenGenerator(
        language_model,
        config["image_tokenizer"]["levels"],
        generator["decoding_steps"],
        generator["local_conv_depth"],
        text_encoder.width,
        text_encoder.project.out_features,
        generator["pad_id"],
        hint["prior"]["latent_channels"] if hint else 0,
        noise_at_start,
    )


class TokensToImage(ConditionalGenerator):
    """Text encoder, token generator and image tokenizer; a prior hint if the generator was built for one."""

    kind = "tokens_to_image"

    def __init__(
        self,
        text_encoder: TextEncoder,
        token_generator: TokenGenerator,
        image_tokenizer: ImageTokenizer,
        prior_hint: PriorHint | None = None,
    ) -> None:
        super().__init__()
        self.text_encoder, self.token_generator = text_encoder, token_generator
        self.image_tokenizer, self.prior_hint = image_tokenizer, prior_hint

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """Build the model with random weights; ``prior_hint`` in ``config`` may be null or absent."""
        text_encoder, hint = TextEncoder(**config["text_encoder"]), config.get("prior_hint")
        language_model = language_model_from_config(config["token_generator"]["language_model"])
        token_generator = token_generator_from_config(config, language_model, text_encoder)
        image_tokenizer = ImageTokenizer(**config["image_tokenizer"])
        prior_hint = PriorHint.from_config(hint) if hint else None
        return cls(text_encoder, token_generator, image_tokenizer, prior_hint)

    @property
    def noise_dim(self) -> int:
        return self.token_generator.noise_dim

    def train(self, mode: bool = True) -> TokensToImage:
        """Set the mode of the token generator; the other parts stay in evaluation mode."""
        super().train(mode)
        for frozen in (self.text_encoder, self.image_tokenizer, self.prior_hint):
            if frozen is not None:
                frozen.eval()
        return self

    def unfreeze(self) -> list[nn.Parameter]:
        self.requires_grad_(False)
        self.token_generator.requires_grad_(True)
        self.token_generator.level_features.requires_grad_(False)
        return [weight for weight in self.token_generator.parameters() if weight.requires_grad]

    def encode_text(self, ids: Tensor) -> HintedTextEncoding:
        mask = ids != self.token_generator.pad_id
        with torch.autocast(ids.device.type, enabled=False):
            hidden_states, embedding = self.text_encoder.encode(ids, mask)
            hint = None if self.prior_hint is None else self.prior_hint(ids, mask, hidden_states, embedding)
        return HintedTextEncoding(ids, hidden_states, embedding, hint)

    def decode(self, encoding: HintedTextEncoding, noise: Tensor) -> Tensor:
        masked = self.token_generator.masked_tokens(len(encoding.ids))
        one_hot = self.token_generator.sample_tokens(encoding, noise, masked)
        return self.image_tokenizer.decode(self.image_tokenizer.soft_codes(one_hot))

    def complete(self, tokens: Tensor, ids: Tensor, noise: Tensor) -> Tensor:
        """Fill in the masked tokens of images, int64 (B, tokens per cell, 64), from captions and noise."""
        one_hot = self.token_generator.sample_tokens(self.encode_text(ids), noise, tokens)
        return torch.stack([choice.argmax(-1) for choice in one_hot], 1)

    def decode_tokens(self, tokens: Tensor) -> Tensor:
        """Images (B, 3, S, S), about [-1, 1], from tokens (B, tokens per cell, 64).

        The codes of a masked token are taken as zero, their mean.
        """
        masked = tokens == self.token_generator.masked_tokens(len(tokens))
        codes = self.image_tokenizer.codes(tokens.masked_fill(masked, 0))
        group_sizes = torch.tensor(self.image_tokenizer.group_sizes, device=tokens.device)
        unknown = masked.repeat_interleave(group_sizes, 1).unflatten(2, (GRID, GRID))  # (B, C, 8, 8)
        return self.image_tokenizer.decode(codes.masked_fill(unknown, 0.0))
