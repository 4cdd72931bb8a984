"""Captions to pictures by way of visual words, which a language model writes and one pass decodes."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from lexipix.networks.vae import GRID
from lexipix.networks.visual_words import VisualWords
from lexipix.networks.word_writer import WordWriter


class WordsToImage(nn.Module):
    """A writer of visual words and what reads them; what the model folder ``words`` holds.

    Args:
        writer: Captions to visual words.
        visual_words: Visual words to pictures, and back.
        steps: For each word of a cell, in how many steps it is written everywhere.
        guidance: For each word of a cell, how far the caption's logits are driven away from those of no
            caption.
        temperatures: For each word of a cell, of the draw.
    """

    def __init__(
        self,
        writer: WordWriter,
        visual_words: VisualWords,
        steps: Sequence[int],
        guidance: Sequence[float],
        temperatures: Sequence[float],
    ) -> None:
        super().__init__()
        self.writer, self.visual_words = writer, visual_words
        self.steps, self.guidance, self.temperatures = tuple(steps), tuple(guidance), tuple(temperatures)

    @property
    def noise_width(self) -> int:
        """Length of the noise vector that decides about a picture."""
        return self.writer.noise_width(self.steps)

    def train(self, mode: bool = True) -> "WordsToImage":
        """Training mode for the writer; the visual words stay what they are."""
        super().train(mode)
        self.visual_words.eval()
        return self

    def write(self, ids: Tensor, noise: Tensor) -> Tensor:
        """Words, int64 (B, words per cell, 64), for captions ``ids`` (B, L) and noise (B, noise_width)."""
        return self.writer.write(ids, noise, self.steps, self.guidance, self.temperatures)

    def complete(self, words: Tensor, ids: Tensor, noise: Tensor) -> Tensor:
        """As :meth:`write`, where some words (B, words per cell, 64) of each picture are given.

        What is as large as its codebook is not given, and must be the same in all pictures.
        """
        return self.writer.complete(words, ids, noise, self.steps, self.guidance, self.temperatures)

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

    def forward(self, ids: Tensor, noise: Tensor) -> Tensor:
        """Pictures (B, 3, S, S), about [-1, 1], from captions ``ids`` (B, L) and noise (B, noise_width)."""
        return self.visual_words.picture(self.visual_words.numbers(self.write(ids, noise)))
