"""Training of the writer of visual words: words that are hidden are to be guessed from the others."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from lexipix.networks.word_writer import CELLS, WordWriter
from lexipix.networks.words_to_image import WordsToImage
from lexipix.training.captions import CaptionRows
from lexipix.training.data import ImageRows, Images
from lexipix.training.parallel import Share
from lexipix.training.sheets import two_rows

N_VALIDATED = 256  # pictures whose words are guessed for validation
N_SHOWN = 16


def place_of_rows(n_rows: int, words_per_cell: int) -> Tensor:
    """Which word of its cells each row of a batch learns: int64 (B,).

    Half of the rows the first one, half of the rest the second, and so on: the first says most of the
    picture.
    """
    shares = torch.tensor([0.5 ** (place + 1) for place in range(words_per_cell)], dtype=torch.float64)
    ends = (shares.cumsum(0) / shares.sum() * n_rows).round()
    return torch.bucketize(torch.arange(n_rows), ends.long(), right=True).clamp_max(words_per_cell - 1)


def cells_to_hide(shares: Tensor) -> Tensor:
    """In how many cells a word is hidden, at least in one, for shares (B,) of them: int64 (B,)."""
    return (shares * CELLS).ceil().long().clamp(1, CELLS)


def hide(
    words: Tensor, places: Tensor, n_hidden: Tensor, order: Tensor, codebooks: Sequence[int]
) -> tuple[Tensor, Tensor]:
    """Hide words as they are when a picture is half written.

    Args:
        words: (B, words per cell, 64).
        places: (B,), which word of each cell is being written; the words after it are hidden everywhere.
        n_hidden: (B,), in how many cells it is hidden.
        order: (B, 64), random numbers: the cells with the smallest hide it.
        codebooks: Their sizes, which are the numbers of words that are not written.

    Returns:
        The words, and where those to be guessed are: bool (B, 64).
    """
    hidden = order.argsort(1).argsort(1) < n_hidden[:, None]
    index = torch.arange(words.shape[1], device=words.device)[None, :, None]
    at = places[:, None, None]
    gone = (index > at) | ((index == at) & hidden[:, None])
    unwritten = torch.tensor(list(codebooks), device=words.device)[None, :, None]
    return torch.where(gone, unwritten, words), hidden


def guessing_losses(
    writer: WordWriter, states: Tensor, words: Tensor, places: Tensor, hidden: Tensor
) -> list[Tensor]:
    """Cross-entropy, in nats, of the hidden words of each place, summed.

    Args:
        writer: Gives the scores.
        states: Of the cells (B, 64, W).
        words: The true ones, (B, words per cell, 64).
        places: (B,), which word each row learns.
        hidden: bool (B, 64).

    Returns:
        A scalar for each place; of a place that no row learns, zero.
    """
    losses = []
    for place in range(writer.words_per_cell):
        chosen = hidden & (places == place)[:, None]
        logits = writer.scores(states[chosen], place).float()
        losses.append(F.cross_entropy(logits, words[:, place][chosen], reduction="sum"))
    return losses


class WordsTask:
    """Trains the writer of a :class:`WordsToImage`; the visual words stay as they are.

    Args:
        model: The writer and the visual words.
        images: Captioned training pictures, uint8 (N, S, S, 3).
        captions: Their wordings.
        validation: Validation pictures and their wordings.
        learning_rate: Peak rate.
        canonical_share: Share of the captions drawn in their first wording; the others in any.
        caption_dropout: Share of the pictures that are written without a caption, for guidance.
        flip: Mirror pictures; only where captions name no side.
        device: Where to train.
        share: Where batches are shared out.
    """

    def __init__(
        self,
        model: WordsToImage,
        images: Images,
        captions: CaptionRows,
        validation: tuple[Images, CaptionRows],
        *,
        learning_rate: float,
        canonical_share: float,
        caption_dropout: float,
        flip: bool,
        device: torch.device,
        share: Share | None = None,
    ) -> None:
        self.share = share or Share()
        self.model, self.device = model, device
        self.images, self.captions = ImageRows(images, device), captions
        self.validation, self.validation_captions = ImageRows(validation[0], device), validation[1]
        self.canonical_share, self.caption_dropout, self.flip = canonical_share, caption_dropout, flip
        model.visual_words.requires_grad_(False).eval()
        self.modules: Mapping[str, torch.nn.Module] = {
            "writer": model.writer,
            "visual_words": model.visual_words,
        }
        self.averaged: Sequence[str] = ("writer",)
        weights = [weight for weight in model.writer.parameters() if weight.requires_grad]
        self.optimizers: Mapping[str, torch.optim.Optimizer] = {
            "writer": torch.optim.AdamW(
                weights, learning_rate, betas=(0.9, 0.98), weight_decay=0.02, fused=True
            )
        }
        self.n_rows = len(images)

    def step(self, rows: Tensor, progress: float) -> dict[str, Tensor]:
        """One update towards the words of the given pictures, from a random wording of each caption."""
        return self.share.update(self.optimizers["writer"], lambda: self._losses(rows), clip=1.0)

    def _losses(self, rows: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        own = self.share.own
        images = self.images[own(rows)]
        if self.flip and torch.rand(()) < 0.5:
            images = images.flip(-1)
        ids = own(self.captions.any_wording(rows, self.canonical_share))
        silent = own(torch.rand(len(rows)) < self.caption_dropout).to(self.device)
        ids = torch.where(silent[:, None], self.model.writer.nothing(ids), ids)
        places = place_of_rows(len(rows), self.model.writer.words_per_cell)
        n_hidden = self._cells_to_hide(places, torch.rand(len(rows)))
        order = torch.rand(len(rows), CELLS)
        # The whole batch's numbers of words, so that its parts add up to what it would have given
        counts = self._counts(places, n_hidden) * (len(images) / len(rows))
        sums = self._guess(images, ids, own(places), own(n_hidden), own(order))
        losses = [total / count for total, count in zip(sums, counts.tolist(), strict=True)]
        loss = torch.stack(losses).mean()
        named = {f"loss_of_{place}": value.detach() for place, value in enumerate(losses, 1)}
        return loss, {"loss": loss, **named}

    def _cells_to_hide(self, places: Tensor, lots: Tensor) -> Tensor:
        """As many as when it is written; what is written in one step is always hidden everywhere."""
        several = torch.tensor(self.model.steps)[places] > 1
        return cells_to_hide(torch.where(several, torch.cos(lots * math.pi / 2), 1.0))

    def _counts(self, places: Tensor, n_hidden: Tensor) -> Tensor:
        """Hidden words of each place, at least one: (words per cell,)."""
        counts = torch.zeros(self.model.writer.words_per_cell).index_add_(0, places, n_hidden.float())
        return counts.clamp_min(1)

    def _guess(
        self, images: Tensor, ids: Tensor, places: Tensor, n_hidden: Tensor, order: Tensor
    ) -> list[Tensor]:
        """Summed losses of the hidden words of pictures, of each place."""
        writer = self.model.writer
        with torch.no_grad():
            words = self.model.visual_words.words(images)
        places, n_hidden, order = (part.to(self.device) for part in (places, n_hidden, order))
        partly, hidden = hide(words, places, n_hidden, order, writer.codebooks)
        return guessing_losses(writer, writer.read(ids, partly), words, places, hidden)

    def validate(self) -> dict[str, float]:
        """Cross-entropy of the hidden words of up to 256 validation pictures, in nats per word."""
        rows = torch.arange(min(len(self.validation), N_VALIDATED))
        n_words = self.model.writer.words_per_cell
        places = rows % n_words
        n_hidden = self._cells_to_hide(places, (rows // n_words + 0.5) / math.ceil(len(rows) / n_words))
        ids = self.validation_captions.canonical(rows)
        sums = self._guess(self.validation[rows], ids, places, n_hidden, torch.rand(len(rows), CELLS))
        counts = self._counts(places, n_hidden).tolist()
        figures = {f"loss_of_{i}": float(sums[i - 1]) / counts[i - 1] for i in range(1, n_words + 1)}
        return {"objective": sum(figures.values()) / n_words, **figures}

    def sheet(self) -> NDArray[np.uint8]:
        """Up to sixteen validation pictures above what their captions give: uint8 (height, width, 3)."""
        rows = torch.arange(min(len(self.validation), N_SHOWN))
        noise = torch.randn(len(rows), self.model.noise_width, device=self.device)
        return two_rows(self.validation[rows], self.model(self.validation_captions.canonical(rows), noise))
