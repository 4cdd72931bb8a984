"""Caption in, visual words out: a GPT-2 whose vocabulary has the words of pictures beside those of captions.

A text is the caption's tokens, which see what stands before them as ever, and then 64 cells, which see the
caption and one another. A cell's place in the sequence holds the sum of its words' vectors; a word that is
not written yet has a token of its own. The words of many cells are written at once, in a few steps those of
all (MaskGIT; Chang et al. 2022, arXiv 2202.04200), the first word of every cell before the second of any:
colors before what is drawn in them.
"""

import math
from collections.abc import Sequence
from itertools import accumulate, combinations

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import GPT2LMHeadModel

from lexipix.networks.blocks import ResidualConv
from lexipix.networks.vae import GRID

CELLS = GRID**2
MOST_WAVES, SLOWEST = 12, 2  # of a number with many levels; and of those that are multiplied
# Weights of the features and of the scores at the start: with 0.02 and 1, as GPT-2's own, learning takes long
FEATURE_DEVIATION, SCORE_SCALE = 0.15, 0.2
# How much chance has in the order of the cells. What is certain first is black or white first: with 1 whole
# pictures are, with 20 the order is nearly random, and more things are seen in them (MaskGIT's code has 4.5)
DOUBT = 20.0
RARE = 1e-6  # uniform numbers keep this far from 0 and 1, whose logarithms are infinite


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


class WordWriter(nn.Module):
    """Writes the visual words of pictures that a caption describes.

    Args:
        language_model: Its vocabulary holds the captions' tokens, then the words of each codebook, then a
            token for the unwritten word of each codebook; its positions those of a caption, then 64 for the
            cells.
        levels: For each word of a cell the levels of its numbers.
        depth: Residual convolutions between neighbouring cells, before the language model and behind it.
        pad_id: Padding of captions.
        eos_id: Token that ends a caption; alone it is the caption that says nothing.
    """

    def __init__(
        self,
        language_model: GPT2LMHeadModel,
        levels: Sequence[Sequence[int]],
        depth: int,
        pad_id: int,
        eos_id: int,
    ) -> None:
        super().__init__()
        config = language_model.config
        # For so short texts the fused kernel's way back takes half of a training step
        language_model.set_attn_implementation("eager")
        self.language_model, self.pad_id, self.eos_id = language_model, pad_id, eos_id
        self.codebooks = [math.prod(group) for group in levels]
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
        self.before, self.behind = (
            nn.Sequential(*(ResidualConv(width) for _ in range(depth))) for _ in range(2)
        )
        self.scales = nn.Parameter(torch.full((len(levels), width), SCORE_SCALE))

    @property
    def words_per_cell(self) -> int:
        """Words in a cell."""
        return len(self.codebooks)

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

    def read(self, ids: Tensor, words: Tensor) -> Tensor:
        """What each cell comes to, given the caption and the words that are written.

        Args:
            ids: Captions (B, L), ending in EOS, then padding.
            words: (B, words per cell, 64); one that is as large as its codebook is not written yet.

        Returns:
            (B, 64, W).
        """
        core = self.language_model.transformer
        cells = torch.zeros((), device=ids.device)
        for place, codebook in enumerate(self.codebooks):
            unwritten = core.wte.weight[self.starts[-1] + place][None]
            table = torch.cat([self.vectors(place), unwritten])
            assert len(table) == codebook + 1
            cells = cells + F.embedding(words[:, place], table)
        cells = self._on_grid(self.before, cells)
        n_tokens = ids.shape[1]
        places = torch.arange(n_tokens + CELLS, device=ids.device)
        positions = torch.where(places < n_tokens, places, places - n_tokens + self.text_positions)
        together = torch.cat([core.wte(ids), cells], 1)
        seen = self._seen(ids != self.pad_id, places)
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

    def nothing(self, ids: Tensor) -> Tensor:
        """The caption that says nothing, in the shape of captions (B, L)."""
        empty = torch.full_like(ids, self.pad_id)
        empty[:, 0] = self.eos_id
        return empty

    def noise_width(self, steps: Sequence[int]) -> int:
        """How many numbers decide about a picture that is written in so many steps."""
        return 2 * CELLS * sum(steps)

    def write(
        self,
        ids: Tensor,
        noise: Tensor,
        steps: Sequence[int],
        guidance: Sequence[float],
        temperatures: Sequence[float],
    ) -> Tensor:
        """Write the words of pictures, those of many cells at once.

        Args:
            ids: Captions (B, L).
            noise: Standard normal (B, :meth:`noise_width`).
            steps: For each word of a cell, in how many steps it is written everywhere.
            guidance: For each word of a cell, how far the caption's logits are driven away from those of no
                caption; 0 leaves them and takes half the time.
            temperatures: For each word of a cell; below 1 likely words are taken more often than they are
                likely.

        Returns:
            int64 (B, words per cell, 64).
        """
        return self.complete(self.blank(len(ids)), ids, noise, steps, guidance, temperatures)

    def complete(
        self,
        words: Tensor,
        ids: Tensor,
        noise: Tensor,
        steps: Sequence[int],
        guidance: Sequence[float],
        temperatures: Sequence[float],
    ) -> Tensor:
        """Write what is not written yet of the words of pictures, as :meth:`write` does from nothing.

        Args:
            words: (B, words per cell, 64); those that are as large as their codebook are to be written, and
                they must be the same ones in all pictures.
            ids: As for :meth:`write`, and so on.
            noise: Likewise.
            steps: Likewise; a word that is written in some cells already is written in the others in as many.
            guidance: Likewise.
            temperatures: Likewise.

        Returns:
            int64 (B, words per cell, 64).
        """
        # Uniform numbers, for the choice of words and of the cells that are sure enough
        lots = (0.5 * (1 + torch.erf(noise / math.sqrt(2)))).clamp(RARE, 1 - RARE)
        parts = iter(lots.unflatten(1, (-1, 2, CELLS)).unbind(1))
        for place, n_steps in enumerate(steps):
            missing, done = int((words[0, place] == self.codebooks[place]).sum()), 0
            for step in range(1, n_steps + 1):
                lot, doubt = next(parts).unbind(1)
                if done == missing:  # the next word's lots are its own whatever was given
                    continue
                logits = self._guided(ids, words, place, guidance[place])
                chosen, certainty = draw_words(logits / temperatures[place], lot)
                share = 1.0 if step == n_steps else 1 - math.cos(math.pi / 2 * step / n_steps)
                wanted = max(round(missing * share), done + 1)
                certainty = certainty - DOUBT * (1 - step / n_steps) * torch.log(-torch.log(doubt))
                unwritten = words[:, place] == self.codebooks[place]
                certainty = certainty.masked_fill(~unwritten, -torch.inf)
                now = certainty.topk(wanted - done, dim=1).indices
                row = words[:, place].scatter(1, now, chosen.gather(1, now))
                words = torch.cat([words[:, :place], row[:, None], words[:, place + 1 :]], 1)
                done = wanted
        return words

    def code_length(self, ids: Tensor, before: Tensor, after: Tensor) -> Tensor:
        """What words cost that are written down with the writer's own probabilities for them, in bits, (B,).

        Args:
            ids: Captions (B, L).
            before: Words (B, words per cell, 64) that the reader has already.
            after: Those and more; the further ones are written each for itself, in one reading.
        """
        states = self.read(ids, before)
        bits = torch.zeros(len(ids), device=states.device)
        for place, codebook in enumerate(self.codebooks):
            new = (before[:, place] == codebook) & (after[:, place] != codebook)
            if not bool(new.any()):
                continue
            logs = self.scores(states, place).float().log_softmax(-1)
            own = logs.gather(-1, after[:, place].clamp_max(codebook - 1)[..., None]).squeeze(-1)
            bits = bits - own.masked_fill(~new, 0.0).sum(1) / math.log(2)
        return bits

    def _guided(self, ids: Tensor, words: Tensor, place: int, guidance: float) -> Tensor:
        """Logits (B, 64, words) of one word of every cell."""
        if not guidance:
            return self.scores(self.read(ids, words), place).float()
        both = self.read(torch.cat([ids, self.nothing(ids)]), torch.cat([words, words]))
        given, free = self.scores(both, place).float().log_softmax(-1).chunk(2)
        return given + guidance * (given - free)


def draw_words(logits: Tensor, lots: Tensor) -> tuple[Tensor, Tensor]:
    """Draw a word for each cell: the one in whose share of [0, 1] its lot falls.

    Args:
        logits: (B, 64, words).
        lots: Uniform (B, 64).

    Returns:
        The words, int64 (B, 64), and the logarithms of their probabilities.
    """
    shares = logits.softmax(-1)
    chosen = (shares.cumsum(-1) < lots[..., None]).sum(-1).clamp_max(logits.shape[-1] - 1)
    return chosen, shares.gather(-1, chosen[..., None]).squeeze(-1).clamp_min(1e-30).log()
