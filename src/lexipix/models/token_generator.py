"""Caption in, visual words out: a GPT-2 whose vocabulary has the words of pictures beside those of captions.

A text is the caption's tokens, which see what stands before them as ever, and then 64 cells, which see the
caption and one another. A cell's place in the sequence holds the sum of its words' vectors; a word that is
not written yet has a token of its own. All cells are written at once, in a few passes from coarse to fine:
first every cell's color, then what is drawn in it. What captions leave open is decided by noise that the
cells hear, not by drawing each word by itself: words that are drawn apart fit badly together. Of every
codebook the word is written that is nearest to the mean of what its words mean, each as likely as it is: the
likeliest one alone would leave out whatever is less likely than not, though many words agree about it.
"""

import math
from collections.abc import Sequence
from itertools import accumulate, combinations, pairwise
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import GPT2LMHeadModel

from lexipix.models.blocks import ResidualConv
from lexipix.models.image_tokenizer import meanings, nearest_words
from lexipix.models.vae import GRID

CELLS = GRID**2
MOST_WAVES, SLOWEST = 12, 2  # of a number with many levels; and of those that are multiplied
# Weights of the features and of the scores at the start: with 0.02 and 1, as GPT-2's own, learning takes long
FEATURE_DEVIATION, SCORE_SCALE = 0.15, 0.2
# Random numbers that every cell hears, and that each hears alone; and what they weigh at the start
NOISE, CELL_NOISE = 64, 8
NOISE_DEVIATION = 0.05, 0.1


def features_of_words(levels: Sequence[int]) -> Tensor:
    """What is known of the words of a codebook beforehand: where they lie among one another.

    Args:
        levels: Of the numbers that a word is made of.

    Returns:
        (words, F): cosines over the levels of each number, as of a cosine transform, and the products of the
        slowest ones of any two numbers. A score that is linear in these can favour any neighbourhood of words
        over the others; powers in place of the cosines need large weights for that, and learn half as fast.
    """
    index = torch.cartesian_prod(*(torch.arange(base) for base in levels)).reshape(-1, len(levels))
    waves = []
    for number, base in enumerate(levels):
        frequencies = torch.arange(1, min(base - 1, MOST_WAVES) + 1)
        waves.append(torch.cos(math.pi * frequencies * (index[:, number, None] + 0.5) / base))
    products = [
        (one[:, :SLOWEST, None] * other[:, None, :SLOWEST]).flatten(1)
        for one, other in combinations(waves, 2)
    ]
    return torch.cat([*waves, *products], 1)


class Heard(NamedTuple):
    """What a batch of captions says to a writer.

    Attributes:
        ids: Tokens (B, L), ending in EOS, then padding.
        states: What the contrastive text encoder makes of them, (B, L, text_width).
        vector: The captions in the space of pictures, unit vectors (B, V).
        sketch: What the text prior would draw of each cell, (B, 64, C), where the writer hears it.
    """

    ids: Tensor
    states: Tensor
    vector: Tensor
    sketch: Tensor | None = None


class TokenGenerator(nn.Module):
    """Writes the visual words of pictures that a caption describes.

    Args:
        language_model: Its vocabulary holds the captions' tokens, then the words of each codebook, then a
            token for the unwritten word of each codebook; its positions those of a caption, then 64 for the
            cells.
        levels: For each word of a cell the levels of its numbers.
        passes: How many words of every cell are written at once, from the first pass to the last.
        depth: Residual convolutions between neighbouring cells, before the language model and behind it.
        text_width: Of the text encoder's states.
        embed_dim: Of its vectors.
        pad_id: Padding of captions.
        sketch_channels: Of the latents that cells hear; 0: none.
        hears_noise: Whether cells hear noise before any training; else they must learn to.
    """

    def __init__(
        self,
        language_model: GPT2LMHeadModel,
        levels: Sequence[Sequence[int]],
        passes: Sequence[int],
        depth: int,
        text_width: int,
        embed_dim: int,
        pad_id: int,
        sketch_channels: int = 0,
        hears_noise: bool = True,
    ) -> None:
        super().__init__()
        config = language_model.config
        # For so short texts the fused kernel's way back takes half of a training step
        language_model.set_attn_implementation("eager")
        self.language_model, self.pad_id = language_model, pad_id
        self.levels, self.meanings = levels, [meanings(group) for group in levels]
        self.codebooks = [math.prod(group) for group in levels]
        bounds = [0, *accumulate(passes)]
        assert bounds[-1] == len(self.codebooks)
        self.passes = [range(*pair) for pair in pairwise(bounds)]
        self.ends = [places.stop for places in self.passes for _ in places]  # of each word's pass
        n_words = sum(self.codebooks) + len(self.codebooks)
        first = config.vocab_size - n_words
        self.starts = [first + n for n in accumulate([0, *self.codebooks])]  # the last: unwritten
        self.text_positions = config.n_positions - CELLS
        width = config.n_embd
        known = [features_of_words(group) for group in levels]
        self.known = nn.ParameterList(nn.Parameter(part, requires_grad=False) for part in known)
        # Words of one codebook share what they learn with those that lie near
        self.shared = nn.ModuleList(nn.Linear(part.shape[1], width, bias=False) for part in known)
        for weight in self.shared.parameters():
            nn.init.normal_(weight, std=FEATURE_DEVIATION)
        self.vector_scale = embed_dim**0.5  # unit vectors to unit variance
        self.states = nn.Linear(text_width, width, bias=False)
        self.vector = nn.Linear(embed_dim, width, bias=False)
        self.sketch = nn.Linear(sketch_channels, width, bias=False) if sketch_channels else None
        self.noise, self.cell_noise = (nn.Linear(n, width, bias=False) for n in (NOISE, CELL_NOISE))
        for layer, deviation in zip((self.noise, self.cell_noise), NOISE_DEVIATION, strict=True):
            nn.init.normal_(layer.weight, std=deviation * hears_noise)
        self.before, self.behind = (
            nn.Sequential(*(ResidualConv(width) for _ in range(depth))) for _ in range(2)
        )
        self.scales = nn.Parameter(torch.full((len(levels), width), SCORE_SCALE))

    @property
    def words_per_cell(self) -> int:
        """Words in a cell."""
        return len(self.codebooks)

    @property
    def noise_width(self) -> int:
        """How many numbers decide about a picture beside its caption."""
        return NOISE + CELLS * CELL_NOISE

    def blank(self, n_pictures: int) -> Tensor:
        """Cells of which no word is written: int64 (B, words per cell, 64)."""
        return torch.tensor(self.codebooks, device=self.scales.device)[None, :, None].repeat(
            n_pictures, 1, CELLS
        )

    def vectors(self, place: int) -> Tensor:
        """Vectors of the words of a codebook, (words, W)."""
        start, size = self.starts[place], self.codebooks[place]
        own = self.language_model.transformer.wte.weight[start : start + size]
        together: Tensor = own + self.shared[place](self.known[place])
        return together

    def unwritten(self, place: int) -> Tensor:
        """Vector of a word of this place that is not written yet, (W,)."""
        vector: Tensor = self.language_model.transformer.wte.weight[self.starts[-1] + place]
        return vector

    def cells(self, heard: Heard, noise: Tensor, words: Tensor) -> Tensor:
        """What cells hold before they are read: (B, 64, W).

        Args:
            heard: The captions.
            noise: Standard normal (B, :attr:`noise_width`).
            words: (B, words per cell, 64); one that is as large as its codebook is not written yet.
        """
        everywhere, each = noise.split([NOISE, CELLS * CELL_NOISE], 1)
        cells = self.cell_noise(each.unflatten(1, (CELLS, CELL_NOISE)))
        cells = cells + (self.noise(everywhere) + self.vector(self.vector_scale * heard.vector))[:, None]
        if self.sketch is not None:
            cells = cells + self.sketch(heard.sketch)
        for place in range(self.words_per_cell):
            table = torch.cat([self.vectors(place), self.unwritten(place)[None]])
            cells = cells + F.embedding(words[:, place], table)
        together: Tensor = cells
        return together

    def read(self, heard: Heard, cells: Tensor) -> Tensor:
        """What each cell comes to, (B, 64, W), given the caption and what the cells hold (B, 64, W)."""
        core = self.language_model.transformer
        cells = self._on_grid(self.before, cells)
        n_tokens = heard.ids.shape[1]
        places = torch.arange(n_tokens + CELLS, device=heard.ids.device)
        positions = torch.where(places < n_tokens, places, places - n_tokens + self.text_positions)
        together = torch.cat([core.wte(heard.ids) + self.states(heard.states), cells], 1)
        seen = self._seen(heard.ids != self.pad_id, places)
        unseen = torch.zeros_like(seen, dtype=together.dtype).masked_fill(
            ~seen, torch.finfo(together.dtype).min
        )
        states = core(
            inputs_embeds=together, attention_mask=unseen, position_ids=positions[None], use_cache=False
        )[0]
        return self._on_grid(self.behind, states[:, n_tokens:])

    def scores(self, states: Tensor, place: int) -> Tensor:
        """Logits (…, words) of a codebook for cells' states (…, W)."""
        return (states * self.scales[place]) @ self.vectors(place).T

    def _seen(self, tokens: Tensor, places: Tensor) -> Tensor:
        """Who sees whom, bool (B, 1, L + 64, L + 64): tokens what is before them, cells everything."""
        n_tokens = tokens.shape[1]
        there = F.pad(tokens, (0, CELLS), value=True)[:, None, None, :]
        from_cell = (places >= n_tokens)[:, None]
        return there & (from_cell | (places[None, :] <= places[:, None]))

    @staticmethod
    def _on_grid(layers: nn.Module, cells: Tensor) -> Tensor:
        """Convolutions over (B, 64, W) as a grid."""
        grid: Tensor = layers(cells.transpose(1, 2).unflatten(2, (GRID, GRID)))
        return grid.flatten(2).transpose(1, 2)

    def choose(self, heard: Heard, noise: Tensor, given: Tensor) -> list[Tensor]:
        """Write what is not written yet of the words of pictures.

        Args:
            heard: The captions.
            noise: Standard normal (B, :attr:`noise_width`).
            given: Words (B, words per cell, 64); those that are as large as their codebook are to be written.

        Returns:
            For each word of a cell (B, 64, codebook): 1 at the word that is written, 0 elsewhere. Gradients
            pass as if these were the words' probabilities.
        """
        cells, chosen = self.cells(heard, noise, given), []
        sizes = torch.tensor(self.codebooks, device=given.device)[None, :, None]
        to_write = given == sizes
        known = given.masked_fill(to_write, 0)
        for places in self.passes:
            anything = bool(to_write[:, places.start : places.stop].any())
            states = self.read(heard, cells) if anything else cells
            for place in places:
                choice = F.one_hot(known[:, place], self.codebooks[place]).float()
                if anything:
                    new = to_write[:, place, :, None]
                    words = self.meanings[place].to(new.device), self.levels[place]
                    choice = torch.where(new, straight_through(self.scores(states, place), *words), choice)
                    cells = cells + new * (choice @ self.vectors(place) - self.unwritten(place))
                chosen.append(choice)
        return chosen


def straight_through(scores: Tensor, meanings: Tensor, levels: Sequence[int]) -> Tensor:
    """Choose words by what they mean on average.

    Args:
        scores: Logits (…, words) of a codebook.
        meanings: Of its words, (words, numbers).
        levels: Of these numbers.

    Returns:
        1 at the word that is nearest to the mean of the meanings, 0 elsewhere, (…, words); gradients pass as
        if these were the words' probabilities, whose mean the chosen word stands for.
    """
    with torch.autocast(scores.device.type, enabled=False):
        shares = scores.float().softmax(-1)
        chosen = F.one_hot(nearest_words(shares @ meanings, levels), scores.shape[-1]).float()
    return chosen + shares - shares.detach() if torch.is_grad_enabled() else chosen
