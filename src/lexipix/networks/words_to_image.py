"""Captions to pictures by way of visual words, which a language model writes and one pass decodes."""

import torch
from torch import Tensor, nn

from lexipix.networks.drawing import Drawing
from lexipix.networks.text_encoder import TextEncoder
from lexipix.networks.vae import GRID
from lexipix.networks.visual_words import VisualWords
from lexipix.networks.word_writer import Heard, WordWriter


class WordsToImage(Drawing):
    """A writer of visual words and what reads them; what the model folder ``words`` holds.

    Args:
        text_encoder: Of the contrastive pair: what the writer hears of captions beside their tokens.
        writer: Captions to visual words.
        visual_words: Visual words to pictures, and back.
    """

    def __init__(self, text_encoder: TextEncoder, writer: WordWriter, visual_words: VisualWords) -> None:
        super().__init__()
        self.text_encoder, self.writer, self.visual_words = text_encoder, writer, visual_words

    @property
    def noise_width(self) -> int:
        """Length of the noise vector that decides about a picture."""
        return self.writer.noise_width

    def train(self, mode: bool = True) -> "WordsToImage":
        """Training mode for the writer; what it hears and the visual words stay what they are."""
        super().train(mode)
        self.text_encoder.eval()
        self.visual_words.eval()
        return self

    def release(self) -> list[nn.Parameter]:
        """Let the writer learn and nothing else; its weights."""
        self.requires_grad_(False)
        self.writer.requires_grad_(True)
        self.writer.known.requires_grad_(False)
        return [weight for weight in self.writer.parameters() if weight.requires_grad]

    def read(self, ids: Tensor) -> Heard:
        """What captions ``ids`` (B, L) say; to be reused as often as pictures are drawn from them."""
        with torch.autocast(ids.device.type, enabled=False):
            return Heard(ids, *self.text_encoder.read(ids, ids != self.writer.pad_id))

    def draw(self, heard: Heard, noise: Tensor) -> Tensor:
        """Pictures (B, 3, S, S), about [-1, 1], from captions and noise (B, noise_width)."""
        chosen = self.writer.choose(heard, noise, self.writer.blank(len(heard.ids)))
        return self.visual_words.picture(self.visual_words.numbers_of(chosen))

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
        numbers = self.visual_words.numbers(words.masked_fill(unwritten, 0))
        counts = torch.tensor(self.visual_words.groups, device=words.device)
        unknown = unwritten.repeat_interleave(counts, 1).unflatten(2, (GRID, GRID))
        return self.visual_words.picture(numbers.masked_fill(unknown, 0.0))
