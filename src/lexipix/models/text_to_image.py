"""The text-to-image model of the VAE and the GAN: caption to latent to image, in one forward pass."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import torch
from torch import Tensor, nn

from lexipix.models.conditional_generator import ConditionalGenerator
from lexipix.models.language_model import append_language_model_states, language_model_from_config
from lexipix.models.text_encoder import TextEncoder
from lexipix.models.text_prior import TextConditioning, TextPrior
from lexipix.models.upsampling import UpsamplingDecoder
from lexipix.models.vae import Decoder

if TYPE_CHECKING:
    from transformers import PreTrainedModel


class TextEncoding(NamedTuple):
    """A batch of encoded captions."""

    hidden_states: Tensor  # of each token, language model and text encoder concatenated, (B, L, text_width)
    mask: Tensor  # bool (B, L), true where there is a token
    embedding: Tensor  # unit vector of each caption in the contrastive space, (B, embed_dim)


class TextToImage(ConditionalGenerator):
    """Language model, text encoder, text prior and decoder.

    The language model is the captioner's, used without an image; students of the compression have none and
    use the text encoder alone. The decoder turns a latent, or another grid of features, into an image.
    """

    kind = "text_to_image"

    def __init__(
        self,
        language_model: PreTrainedModel | None,
        text_encoder: TextEncoder,
        prior: TextPrior,
        decoder: Decoder | UpsamplingDecoder,
        pad_id: int,
    ) -> None:
        super().__init__()
        self.language_model, self.text_encoder = language_model, text_encoder
        self.prior, self.decoder, self.pad_id = prior, decoder, pad_id

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """Build the model with random weights; a ``decoder`` with ``depth`` is a VAE's."""
        language_model, decoder = config["language_model"], config["decoder"]
        return cls(
            language_model_from_config(language_model) if language_model else None,
            TextEncoder(**config["text_encoder"]),
            TextPrior(**config["prior"]),
            Decoder(**decoder) if "depth" in decoder else UpsamplingDecoder(**decoder),
            config["pad_id"],
        )

    @property
    def noise_dim(self) -> int:
        return self.prior.noise_dim

    def train(self, mode: bool = True) -> TextToImage:
        """Set the mode of prior and decoder; language model and text encoder stay in evaluation mode."""
        super().train(mode)
        if self.language_model is not None:
            self.language_model.eval()
        self.text_encoder.eval()
        return self

    def unfreeze(self) -> list[nn.Parameter]:
        self.requires_grad_(False)
        self.prior.requires_grad_(True)
        self.decoder.requires_grad_(True)
        return [weight for weight in self.parameters() if weight.requires_grad]

    def encode_text(self, ids: Tensor) -> TextEncoding:
        mask = ids != self.pad_id
        # In fp32: it costs little
        with torch.autocast(ids.device.type, enabled=False):
            hidden_states, embedding = self.text_encoder.encode(ids, mask)
            if self.language_model is not None:
                hidden_states = append_language_model_states(self.language_model, ids, mask, hidden_states)
        return TextEncoding(hidden_states, mask, embedding)

    def sample_latents(self, encoding: TextEncoding, noise: Tensor) -> Tensor:
        """Latents (B, C, 8, 8) from encoded captions and noise (B, noise_dim)."""
        return self.prior.sample_latents(self.prior.condition(*encoding), noise)

    def decode(self, encoding: TextEncoding, noise: Tensor) -> Tensor:
        return self.decode_conditioning(self.prior.condition(*encoding), noise)

    def condition(self, ids: Tensor) -> TextConditioning:
        """Compute everything that captions ``ids`` (B, L) decide without noise."""
        return self.prior.condition(*self.encode_text(ids))

    def decode_conditioning(self, conditioning: TextConditioning, noise: Tensor) -> Tensor:
        """Images (B, 3, S, S), about [-1, 1], from :meth:`condition` and noise (B, noise_dim)."""
        images: Tensor = self.decoder(self.prior.sample_latents(conditioning, noise))
        return images
