"""Captions as padded token ids; where an image has several, one is chosen at each draw."""

from collections.abc import Sequence

import numpy as np
import torch
from tokenizers import Tokenizer
from torch import Tensor

from lexipix.data.tokenization import encode, eos_id, pad_id


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
