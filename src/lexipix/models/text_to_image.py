"""A whole text-to-image model: words to states to latent to picture, in one forward pass."""

from collections.abc import Mapping
from typing import Any, NamedTuple, Self

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from lexipix.models.captioner import language_model_from_config
from lexipix.models.conditional_generator import ConditionalGenerator
from lexipix.models.text_encoder import TextEncoder
from lexipix.models.text_prior import Plan, TextPrior
from lexipix.models.upsampling import UpsamplingDecoder
from lexipix.models.vae import Decoder


class Reading(NamedTuple):
    """What a language model and a text encoder make of a batch of captions.

    Attributes:
        states: Of the words, the language model's and the text encoder's side by side, (B, L, text_width).
        mask: bool (B, L), true where there is a token.
        vector: Unit vector of the caption in the space of pictures, (B, V).
    """

    states: Tensor
    mask: Tensor
    vector: Tensor


def side_by_side(language_model: PreTrainedModel, ids: Tensor, mask: Tensor, own_states: Tensor) -> Tensor:
    """What a language model makes of each word, and what a text encoder does.

    Args:
        language_model: Read without a picture.
        ids: (B, L) token ids.
        mask: bool (B, L), true where there is a token.
        own_states: The text encoder's, (B, L, W).

    Returns:
        (B, L, text_width).
    """
    states = language_model.base_model(input_ids=ids, attention_mask=mask.long(), use_cache=False)[0]
    return torch.cat([states, own_states], dim=-1)


class TextToImage(ConditionalGenerator):
    """Language model, text prior and decoder; what the prior's and the GAN's model folders hold.

    Args:
        language_model: The captioner's, read without a picture; None leaves all reading to the text encoder,
            as the small students of the compression do.
        text_encoder: Of the contrastive pair: where the caption lies in the space of pictures.
        prior: Caption states and noise to a latent.
        decoder: Latent, or another grid of features, to picture.
        pad_id: Padding token.
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
        self.language_model = language_model
        self.text_encoder = text_encoder
        self.prior = prior
        self.decoder = decoder
        self.pad_id = pad_id

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """Build the model with random weights.

        Args:
            config: ``language_model`` (a dictionary of transformers, or null), ``text_encoder``, ``prior``,
                ``pad_id``, and ``decoder``: with ``depth`` a VAE's, without an upsampling one.
        """
        language_model, decoder = config["language_model"], config["decoder"]
        return cls(
            language_model_from_config(language_model) if language_model else None,
            TextEncoder(**config["text_encoder"]),
            TextPrior(**config["prior"]),
            Decoder(**decoder) if "depth" in decoder else UpsamplingDecoder(**decoder),
            config["pad_id"],
        )

    @property
    def noise_width(self) -> int:
        """Length of the noise vector that decides about a picture."""
        return self.prior.noise_width

    def train(self, mode: bool = True) -> "TextToImage":
        """Training mode for prior and decoder; those who read stay as they are."""
        super().train(mode)
        if self.language_model is not None:
            self.language_model.eval()
        self.text_encoder.eval()
        return self

    def release(self) -> list[nn.Parameter]:
        """Let prior and decoder learn and nothing else; their weights."""
        self.requires_grad_(False)
        self.prior.set_trainable(True)
        self.decoder.requires_grad_(True)
        return [weight for weight in self.parameters() if weight.requires_grad]

    def read(self, ids: Tensor) -> Reading:
        """What captions ``ids`` (B, L) say; to be reused as often as pictures are drawn from them."""
        mask = ids != self.pad_id
        with torch.autocast(ids.device.type, enabled=False):  # it costs little, and a memory needs it exact
            return self._read(ids, mask)

    def _read(self, ids: Tensor, mask: Tensor) -> Reading:
        own_states, vector = self.text_encoder.read(ids, mask)
        if self.language_model is None:
            return Reading(own_states, mask, vector)
        return Reading(side_by_side(self.language_model, ids, mask, own_states), mask, vector)

    def latents(self, reading: Reading, noise: Tensor) -> Tensor:
        """Latents (B, C, 8, 8) from what captions say and noise (B, Z)."""
        latents: Tensor = self.prior(reading.states, reading.mask, reading.vector, noise)
        return latents

    def draw(self, reading: Reading, noise: Tensor) -> Tensor:
        """Pictures (B, 3, S, S), about [-1, 1], from what captions say and noise (B, Z)."""
        images: Tensor = self.decoder(self.latents(reading, noise))
        return images

    def plan(self, ids: Tensor) -> Plan:
        """All that captions ``ids`` (B, L) decide about their pictures, whatever the noise."""
        plan: Plan = self.prior.plan(*self.read(ids))
        return plan

    def carry_out(self, plan: Plan, noise: Tensor) -> Tensor:
        """Pictures (B, 3, S, S), about [-1, 1], from plans and noise (B, Z)."""
        images: Tensor = self.decoder(self.prior.draw(plan, noise))
        return images
