"""Training of the writer of visual words: it guesses hidden words, then draws against a discriminator.

Guessing alone teaches which words are likely in a cell; what is written in all cells at once then fits
together as little as words that are drawn apart. The lessons make a start from which adversarial training
learns within minutes to draw whole things, its gradients passing straight through the choice of words.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from lexipix.data.images import N_VALIDATION, random_hflip
from lexipix.models.token_generator import CELLS, TokenGenerator
from lexipix.models.tokens_to_image import TokensToImage
from lexipix.training.tasks.gan import GANTask


def known_words(n_rows: int, words_per_cell: int) -> Tensor:
    """How many words of its cells each row of a batch knows: int64 (B,).

    Half of the rows none, half of the rest one, and so on: the first word says most of the picture.
    """
    shares = torch.tensor([0.5 ** (place + 1) for place in range(words_per_cell)], dtype=torch.float64)
    ends = (shares.cumsum(0) / shares.sum() * n_rows).round()
    return torch.bucketize(torch.arange(n_rows), ends.long(), right=True).clamp_max(words_per_cell - 1)


def cells_to_hide(shares: Tensor) -> Tensor:
    """In how many cells a word is hidden, at least in one, for shares (B,) of them: int64 (B,)."""
    return (shares * CELLS).ceil().long().clamp(1, CELLS)


def hide(words: Tensor, known: Tensor, n_hidden: Tensor, order: Tensor, codebooks: Sequence[int]) -> Tensor:
    """Hide words of half told pictures.

    Args:
        words: (B, words per cell, 64).
        known: (B,), how many words of each cell are known; those after the next one are hidden everywhere.
        n_hidden: (B,), in how many cells the next one is hidden.
        order: (B, 64), random numbers: the cells with the smallest hide it.
        codebooks: Their sizes, which are the numbers of words that are not written.

    Returns:
        The words.
    """
    hidden = order.argsort(1).argsort(1) < n_hidden[:, None]
    index = torch.arange(words.shape[1], device=words.device)[None, :, None]
    at = known[:, None, None]
    gone = (index > at) | ((index == at) & hidden[:, None])
    unwritten = torch.tensor(list(codebooks), device=words.device)[None, :, None]
    return torch.where(gone, unwritten, words)


def to_guess(writer: TokenGenerator, partly: Tensor, known: Tensor) -> Tensor:
    """Which hidden words are written in the next pass: bool (B, words per cell, 64).

    Args:
        writer: Has the passes.
        partly: Words (B, words per cell, 64), the hidden ones as large as their codebook.
        known: (B,), how many words of each cell are known.
    """
    index = torch.arange(partly.shape[1], device=partly.device)
    now = index[None] < torch.tensor(writer.step_ends, device=partly.device)[known][:, None]
    return (partly == writer.masked_tokens(len(partly))) & now[:, :, None]


def guess_counts(writer: TokenGenerator, known: Tensor, n_hidden: Tensor) -> Tensor:
    """How many words of each place :func:`to_guess` finds, at least one: (words per cell,).

    Args:
        writer: Has the passes.
        known: (B,), how many words of each cell are known.
        n_hidden: (B,), in how many cells the next one is hidden.
    """
    index = torch.arange(writer.tokens_per_cell)
    later = (index > known[:, None]) & (index < torch.tensor(writer.step_ends)[known][:, None])
    counts = later * CELLS + (index == known[:, None]) * n_hidden[:, None]
    return counts.sum(0).clamp_min(1)


def guessing_losses(writer: TokenGenerator, states: Tensor, words: Tensor, guessed: Tensor) -> list[Tensor]:
    """Cross-entropy of the guessed words of each place, in nats, summed.

    Args:
        writer: Gives the scores.
        states: Of the cells (B, 64, W).
        words: The true ones, (B, words per cell, 64).
        guessed: bool (B, words per cell, 64).

    Returns:
        A scalar for each place; of a place that no row guesses, zero.
    """
    losses = []
    for place, chosen in enumerate(guessed.unbind(1)):
        logits = writer.logits(states[chosen], place).float()
        losses.append(F.cross_entropy(logits, words[:, place][chosen], reduction="sum"))
    return losses


class TokenGeneratorTask(GANTask):
    """Trains the writer of a :class:`TokensToImage`; the visual words stay as they are.

    Args:
        model: The writer, what it hears, and the visual words.
        given: As for :class:`GANTask`.
        guessing_rate: Peak rate of the lessons.
        settings: As for :class:`GANTask`, ``teaching`` among them.
    """

    def __init__(self, model: TokensToImage, *given: Any, guessing_rate: float, **settings: Any) -> None:
        super().__init__(model, *given, **settings)
        self.words = model
        guessing = torch.optim.AdamW(
            model.unfreeze(), guessing_rate, betas=(0.9, 0.98), weight_decay=0.02, fused=True
        )
        self.optimizers = {**self.optimizers, "guessing": guessing}
        self.restarts = (self.teaching,) if self.teaching < 1 else ()

    def record(self) -> None:
        """Not these steps: before each pass the writer looks whether anything is left to write."""

    def lesson(self, rows: Tensor) -> dict[str, Tensor]:
        """One update towards the words of the given pictures, from a random wording of each caption."""
        return self.share.update(self.optimizers["guessing"], lambda: self._guess(rows), clip=1.0)

    def _guess(self, rows: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        own, n_words = self.share.own, self.words.token_generator.tokens_per_cell
        images = self.images[own(rows)]
        if self.flip:
            images = random_hflip(images, own(torch.rand(len(rows))))
        ids = own(self.captions.sample(rows, self.canonical_share))
        known, lots = known_words(len(rows), n_words), torch.rand(len(rows))
        # The first word is to be guessed from any number of neighbours, the others of all cells at once
        n_hidden = cells_to_hide(torch.where(known == 0, torch.cos(lots * torch.pi / 2), 1.0))
        order = torch.rand(len(rows), CELLS)
        sums = self._guesses(images, ids, own(known), own(n_hidden), own(order))
        # The whole batch's numbers of words, so that its parts add up to what it would have given
        counts = guess_counts(self.words.token_generator, known, n_hidden) * (len(images) / len(rows))
        losses = [total / count for total, count in zip(sums, counts.tolist(), strict=True)]
        loss = torch.stack(losses).mean()
        named = {f"loss_of_{place}": value.detach() for place, value in enumerate(losses, 1)}
        return loss, {"guessing_loss": loss, **named}

    def _guesses(
        self, images: Tensor, ids: Tensor, known: Tensor, n_hidden: Tensor, order: Tensor
    ) -> list[Tensor]:
        """Summed losses of the guessed words of each place; noise says nothing of them and is not heard."""
        writer, device = self.words.token_generator, images.device
        with torch.no_grad():
            words, heard = self.words.image_tokenizer.tokenize(images), self.words.encode_text(ids)
        known, n_hidden, order = (part.to(device) for part in (known, n_hidden, order))
        partly = hide(words, known, n_hidden, order, writer.codebook_sizes)
        guessed = to_guess(writer, partly, known)
        silence = torch.zeros(len(ids), writer.noise_dim, device=device)
        states = writer.encode_cells(heard, writer.embed_cells(heard, silence, partly))
        return guessing_losses(writer, states, words, guessed)

    def validate(self) -> dict[str, float]:
        """Figures of the drawings, and the cross-entropy of the words, in nats, given those before."""
        rows = torch.arange(min(len(self.validation.images), N_VALIDATION))
        writer = self.words.token_generator
        images, ids = self.validation.images[rows], self.validation.captions.primary(rows)
        known, n_hidden = rows % writer.tokens_per_cell, torch.full((len(rows),), CELLS)
        sums = self._guesses(images, ids, known, n_hidden, torch.rand(len(rows), CELLS))
        counts = guess_counts(writer, known, n_hidden).tolist()
        losses = {f"loss_of_{place}": float(sums[place - 1]) / n for place, n in enumerate(counts, 1)}
        return {**super().validate(), **losses}
