"""The captions of a batch: one of each image as padded token ids, and images that share a caption."""

from collections.abc import Sequence

import numpy as np
import torch
from tokenizers import Tokenizer
from torch import Tensor

from lexipix.data.tokenization import encode, eos_id, pad_id

GROUP_SIZE = 4  # images of a batch that share a caption


class CaptionRows:
    """The captions of each image: the primary caption first, then its paraphrases, if it has any."""

    def __init__(
        self,
        captions: Sequence[str],
        paraphrases: Sequence[Sequence[str]],
        tokenizer: Tokenizer,
        max_tokens: int,
        device: torch.device,
    ) -> None:
        by_image = [[caption, *others] for caption, others in zip(captions, paraphrases, strict=True)]
        self.counts = torch.tensor([len(texts) for texts in by_image], dtype=torch.int64)
        self.starts = self.counts.cumsum(0) - self.counts  # of each image's captions among all
        texts = [text for texts in by_image for text in texts]
        self.ids = torch.from_numpy(encode(tokenizer, texts, max_tokens).astype(np.int32))
        self.pad_id, self.eos_id = pad_id(tokenizer), eos_id(tokenizer)
        self.device = device

    def __len__(self) -> int:
        return len(self.counts)

    @property
    def n_captions(self) -> int:
        """Number of captions of all images."""
        return len(self.ids)

    def select(self, indices: Tensor) -> Tensor:
        """Captions by their indices among all, int64 (B, L); those of image i begin at ``starts[i]``."""
        ids = self.ids[indices]
        longest = int((ids != self.pad_id).sum(1).max())
        return ids[:, :longest].long().to(self.device)

    def primary(self, rows: Tensor) -> Tensor:
        """Primary captions of images ``rows`` (B,): int64 (B, L)."""
        return self.select(self.starts[rows])

    def sample(self, rows: Tensor, primary_caption_prob: float = 0.0) -> Tensor:
        """A random caption of each image (B,), by torch's generator; with a probability the primary one."""
        choice = (torch.rand(len(rows)) * self.counts[rows]).long()
        if primary_caption_prob:
            choice = choice * (torch.rand(len(rows)) >= primary_caption_prob)
        return self.select(self.starts[rows] + choice)


class CaptionGroups:
    """The training images of each caption; equal numbers in ``of_rows`` (N,) mark equal captions."""

    def __init__(self, of_rows: Tensor) -> None:
        self.of_rows, self.by_group = of_rows, of_rows.argsort(stable=True)
        self.counts = of_rows.bincount()
        self.starts = self.counts.cumsum(0) - self.counts
        self.place = torch.empty_like(of_rows)
        self.place[self.by_group] = torch.arange(len(of_rows)) - self.starts[of_rows[self.by_group]]

    def regroup(self, rows: Tensor) -> Tensor:
        """Return a batch in which each caption occurs several times, where other images have it too.

        Only then can a discriminator see whether one caption gives one image or many. The first quarter of
        ``rows`` (B,) stays, and three times others with the same captions follow; where there are none, the
        places keep their rows. Every image stays as likely as before.
        """
        n_leaders = -(-len(rows) // GROUP_SIZE)
        leaders = rows[:n_leaders].repeat(GROUP_SIZE)[: len(rows)]
        counts = self.counts[self.of_rows[leaders]]
        further = 1 + (torch.rand(len(rows)) * (counts - 1)).long()
        further[:n_leaders] = 0
        starts = self.starts[self.of_rows[leaders]]
        grouped = self.by_group[starts + (self.place[leaders] + further) % counts]
        return torch.where(counts > 1, grouped, rows)
