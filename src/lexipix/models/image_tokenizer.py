"""Pictures as visual words: an 8x8 grid whose cells hold a few words each, and back, in one pass each way.

Finite scalar quantisation (Mentzer et al. 2023, arXiv 2309.15505): every number of a cell is bounded and
rounded to one of a few levels, and a word is the combination of some of these numbers. There is no codebook
to be learned, and no word that is never used. The words of a cell go from coarse to fine: the first says its
color, so that the first words alone are a thumbnail of the picture.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from lexipix.models.configurable_network import ConfigurableNetwork
from lexipix.models.vae import GRID, Decoder, Encoder

# Numbers of variance 1 are bounded by tanh of this times them: they then use all levels about as much
STEEPNESS = 0.75
OUTERMOST = 1 - 1e-3  # no number lies further out; its arc tangent must stay finite


def meanings(levels: Sequence[int]) -> Tensor:
    """What the words of a codebook stand for: (words, numbers) within (-1, 1).

    Args:
        levels: Of the numbers that a word is made of.
    """
    middles = [(2 * torch.arange(n) + 1) / n - 1 for n in levels]
    return torch.cartesian_prod(*middles).reshape(-1, len(levels))


def nearest_words(numbers: Tensor, levels: Sequence[int]) -> Tensor:
    """Words, int64 (…), whose meanings are nearest to numbers (…, numbers) within (-1, 1)."""
    words = torch.zeros(numbers.shape[:-1], dtype=torch.int64, device=numbers.device)
    for number, base in zip(numbers.unbind(-1), levels, strict=True):
        words = words * base + ((number + 1) / 2 * base).floor().long().clamp(0, base - 1)
    return words


class ImageTokenizer(ConfigurableNetwork):
    """An autoencoder whose latent is words.

    Args:
        image_size: Side in pixels, a multiple of 8.
        levels: For each word of a cell the levels of its numbers; a codebook has as many words as their
            product. The first word has three numbers.
        width: Channels of the residual trunks.
        depth: Residual blocks in each trunk.

    Raises:
        ValueError: The side is no multiple of 8.
    """

    kind = "image_tokenizer"
    levels: Tensor

    def __init__(self, image_size: int, levels: Sequence[Sequence[int]], width: int, depth: int) -> None:
        super().__init__()
        if image_size % GRID:
            raise ValueError(f"image_size must be a multiple of {GRID}, not {image_size}")
        self.image_size = image_size
        self.groups = [len(group) for group in levels]  # numbers of each word
        self.codebooks = [math.prod(group) for group in levels]  # words in each codebook
        channels = sum(self.groups)
        self.encoder = Encoder(image_size, channels, width, depth)
        self.decoder = Decoder(image_size, channels, width, depth)
        self.codebook_levels, self.meanings = levels, [meanings(group) for group in levels]
        flat = torch.tensor([float(level) for group in levels for level in group])
        self.register_buffer("levels", flat[:, None, None], persistent=False)

    @property
    def bits(self) -> float:
        """Information in the words of a picture, in bits, when each is written with its codebook's length."""
        return GRID**2 * sum(math.log2(size) for size in self.codebooks)

    # From pictures to words

    def look(self, images: Tensor) -> Tensor:
        """Pictures in [-1, 1], (B, 3, S, S), to numbers within (-1, 1), (B, C, 8, 8), not rounded yet."""
        return torch.tanh(STEEPNESS * self.encoder(images)[0].float())

    def round(self, numbers: Tensor) -> Tensor:
        """Move numbers to the middle of their level, (B, C, 8, 8); gradients pass as if they had stayed."""
        index = torch.minimum(((numbers + 1) / 2 * self.levels).floor().clamp_min(0), self.levels - 1)
        return numbers + ((2 * index + 1) / self.levels - 1 - numbers).detach()

    def words(self, images: Tensor) -> Tensor:
        """Pictures in [-1, 1], (B, 3, S, S), to words of their codebooks, int64 (B, words per cell, 64)."""
        parts = self.look(images).movedim(1, -1).split(self.groups, -1)
        written = [
            nearest_words(part, group) for part, group in zip(parts, self.codebook_levels, strict=True)
        ]
        return torch.stack(written, 1).flatten(2)

    # From words to pictures

    def numbers(self, words: Tensor) -> Tensor:
        """What words (B, words per cell, 64) stand for: (B, C, 8, 8) within (-1, 1)."""
        read = [
            table.to(words.device)[word] for word, table in zip(words.unbind(1), self.meanings, strict=True)
        ]
        return self._on_grid(read)

    def numbers_of(self, chosen: Sequence[Tensor]) -> Tensor:
        """What words stand for that are given as shares of their codebooks, with gradients.

        Args:
            chosen: For each word of a cell (B, 64, codebook); where it is 1 at one word and 0 elsewhere, this
                is what :meth:`numbers` gives.

        Returns:
            (B, C, 8, 8) within (-1, 1).
        """
        device = self.levels.device
        with torch.autocast(device.type, enabled=False):  # bf16 is coarser than the levels
            found = [
                shares.float() @ words.to(device) for shares, words in zip(chosen, self.meanings, strict=True)
            ]
        return self._on_grid(found)

    @staticmethod
    def _on_grid(numbers: Sequence[Tensor]) -> Tensor:
        """Numbers of each word, (B, 64, numbers), together as (B, C, 8, 8)."""
        grid: Tensor = torch.cat(list(numbers), -1).transpose(1, 2).unflatten(2, (GRID, GRID))
        return grid

    def picture(self, numbers: Tensor, known: int | None = None) -> Tensor:
        """Numbers (B, C, 8, 8) to pictures (B, 3, S, S), about [-1, 1] and not clamped.

        Args:
            numbers: Within (-1, 1).
            known: How many words of each cell count, the first ones; the others are taken for average. None:
                all.
        """
        if known is not None:
            n_numbers = sum(self.groups[:known])
            numbers = torch.cat([numbers[:, :n_numbers], torch.zeros_like(numbers[:, n_numbers:])], 1)
        images: Tensor = self.decoder(torch.atanh(numbers.clamp(-OUTERMOST, OUTERMOST)) / STEEPNESS)
        return images

    def forward(self, images: Tensor, known: int | None = None) -> Tensor:
        """Pictures in [-1, 1], (B, 3, S, S), through words and back; ``known`` as for :meth:`picture`."""
        return self.picture(self.round(self.look(images)), known)

    @torch.no_grad()
    def initialise(self, images: Tensor) -> None:
        """Set the linear maps to principal components of the pictures' patches, whitened.

        The numbers of the first word are those of the patches' mean color, the others those of what it
        leaves.

        Args:
            images: A sample of training pictures in [-1, 1], (N, 3, S, S).
        """
        encode, decode = self.encoder.linear, self.decoder.linear
        assert encode.bias is not None and decode.bias is not None
        patches = F.pixel_unshuffle(images, self.encoder.patch).permute(0, 2, 3, 1).flatten(0, 2).double()
        mean = patches.mean(0)
        covariance = (patches - mean).T @ (patches - mean) / len(patches)
        flat = torch.kron(torch.eye(3, dtype=torch.float64), torch.ones(self.encoder.patch**2, 1).double())
        flat = flat / self.encoder.patch  # (3 * p * p, 3), orthonormal: one column for each color
        _, colors = torch.linalg.eigh(flat.T @ covariance @ flat)
        first = flat @ colors.flip(1)
        rest = torch.eye(len(mean), dtype=torch.float64) - flat @ flat.T
        _, others = torch.linalg.eigh(rest @ covariance @ rest)
        axes = torch.cat([first, others.flip(1)], 1)[:, : encode.out_channels]
        # eigh leaves signs open; fix them, so that every machine starts from the same axes
        axes = axes * torch.sign(axes.gather(0, axes.abs().argmax(0, keepdim=True)))
        deviations = (axes * (covariance @ axes)).sum(0).clamp_min(1e-8).sqrt()
        project, unproject = (axes / deviations).T, axes * deviations
        encode.weight.copy_(project[:, :, None, None])
        encode.bias.copy_(-project @ mean)
        decode.weight.copy_(unproject[:, :, None, None])
        decode.bias.copy_(mean)
