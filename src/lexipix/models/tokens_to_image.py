"""Captions to pictures by way of visual words, which a language model writes and one pass decodes."""

from collections.abc import Mapping
from typing import Any, Self

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from lexipix.models.captioner import language_model_from_config
from lexipix.models.conditional_generator import ConditionalGenerator
from lexipix.models.image_tokenizer import ImageTokenizer
from lexipix.models.text_encoder import TextEncoder
from lexipix.models.text_prior import TextPrior
from lexipix.models.text_to_image import side_by_side
from lexipix.models.token_generator import Heard, TokenGenerator
from lexipix.models.vae import GRID


class Sketch(nn.Module):
    """What a trained text prior would draw, for a writer to hear; it stays as it is.

    Args:
        language_model: Which the prior reads captions by.
        prior: Trained.
    """

    def __init__(self, language_model: PreTrainedModel, prior: TextPrior) -> None:
        super().__init__()
        self.language_model, self.prior = language_model, prior

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """Build it with random weights from the keys ``language_model`` and ``prior``."""
        return cls(language_model_from_config(config["language_model"]), TextPrior(**config["prior"]))

    def forward(self, ids: Tensor, mask: Tensor, states: Tensor, vector: Tensor) -> Tensor:
        """Latents of each cell without noise, (B, 64, C).

        Args:
            ids: (B, L) token ids.
            mask: bool (B, L), true where there is a token.
            states: What the text encoder makes of them, (B, L, W).
            vector: Unit vectors (B, V) of the captions.
        """
        silence = vector.new_zeros(len(ids), self.prior.noise_width)
        latents: Tensor = self.prior(
            side_by_side(self.language_model, ids, mask, states), mask, vector, silence
        )
        return latents.flatten(2).transpose(1, 2)


class TokensToImage(ConditionalGenerator):
    """A writer of visual words and what reads them; what the model folder ``words`` holds.

    Args:
        text_encoder: Of the contrastive pair: what the writer hears of captions beside their tokens.
        writer: Captions to visual words.
        image_tokenizer: Visual words to pictures, and back.
        sketch: Where the writer hears one.
    """

    kind = "tokens_to_image"

    def __init__(
        self,
        text_encoder: TextEncoder,
        writer: TokenGenerator,
        image_tokenizer: ImageTokenizer,
        sketch: Sketch | None = None,
    ) -> None:
        super().__init__()
        self.text_encoder, self.writer, self.image_tokenizer = text_encoder, writer, image_tokenizer
        self.sketch = sketch

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """Build the model with random weights.

        Args:
            config: ``text_encoder``, ``writer`` (``language_model``, ``passes``, ``near``, ``pad_id``),
                ``image_tokenizer``, and ``sketch`` (``language_model`` and ``prior``; null or absent: none).
        """
        text_encoder = TextEncoder(**config["text_encoder"])
        writer, sketch = config["writer"], config.get("sketch")
        token_generator = TokenGenerator(
            language_model_from_config(writer["language_model"]),
            config["image_tokenizer"]["levels"],
            writer["passes"],
            writer["near"],
            text_encoder.width,
            text_encoder.project.out_features,
            writer["pad_id"],
            sketch["prior"]["latent_channels"] if sketch else 0,
        )
        return cls(
            text_encoder,
            token_generator,
            ImageTokenizer(**config["image_tokenizer"]),
            Sketch.from_config(sketch) if sketch else None,
        )

    @property
    def noise_width(self) -> int:
        """Length of the noise vector that decides about a picture."""
        return self.writer.noise_width

    def train(self, mode: bool = True) -> "TokensToImage":
        """Training mode for the writer; what it hears and the visual words stay what they are."""
        super().train(mode)
        for fixed in (self.text_encoder, self.image_tokenizer, self.sketch):
            if fixed is not None:
                fixed.eval()
        return self

    def release(self) -> list[nn.Parameter]:
        """Let the writer learn and nothing else; its weights."""
        self.requires_grad_(False)
        self.writer.requires_grad_(True)
        self.writer.known.requires_grad_(False)
        return [weight for weight in self.writer.parameters() if weight.requires_grad]

    def read(self, ids: Tensor) -> Heard:
        """What captions ``ids`` (B, L) say; to be reused as often as pictures are drawn from them."""
        mask = ids != self.writer.pad_id
        with torch.autocast(ids.device.type, enabled=False):
            states, vector = self.text_encoder.read(ids, mask)
            sketch = None if self.sketch is None else self.sketch(ids, mask, states, vector)
            return Heard(ids, states, vector, sketch)

    def draw(self, heard: Heard, noise: Tensor) -> Tensor:
        """Pictures (B, 3, S, S), about [-1, 1], from captions and noise (B, noise_width)."""
        chosen = self.writer.choose(heard, noise, self.writer.blank(len(heard.ids)))
        return self.image_tokenizer.picture(self.image_tokenizer.numbers_of(chosen))

    def complete(self, words: Tensor, ids: Tensor, noise: Tensor) -> Tensor:
        """Write what is not given of pictures' words.

        Args:
            words: (B, words per cell, 64); one that is as large as its codebook is not given.
            ids: Captions (B, L).
            noise: Standard normal (B, noise_width).

        Returns:
            int64 (B, words per cell, 64).
        """
        chosen = self.writer.choose(self.read(ids), noise, words)
        return torch.stack([choice.argmax(-1) for choice in chosen], 1)

    def picture(self, words: Tensor) -> Tensor:
        """Pictures (B, 3, S, S), about [-1, 1], from words of which not all must be written.

        Args:
            words: (B, words per cell, 64); one that is as large as its codebook is taken for average.
        """
        unwritten = words == self.writer.blank(len(words))
        numbers = self.image_tokenizer.numbers(words.masked_fill(unwritten, 0))
        counts = torch.tensor(self.image_tokenizer.groups, device=words.device)
        unknown = unwritten.repeat_interleave(counts, 1).unflatten(2, (GRID, GRID))
        return self.image_tokenizer.picture(numbers.masked_fill(unknown, 0.0))
