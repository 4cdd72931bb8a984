"""Captions as padded token ids, with the choice of a wording at every draw."""

from collections.abc import Sequence

import numpy as np
import torch
from tokenizers import Tokenizer
from torch import Tensor

from lexipix.data.tokenization import encode, eos_id, pad_id


class CaptionRows:
    """The wordings of each picture: the caption first, then its paraphrases.

    Args:
        captions: One per picture.
        paraphrases: Other wordings per picture, possibly none.
        tokenizer: From :mod:`lexipix.data.tokenization`.
        max_tokens: Longer wordings are cut.
        device: Where batches go.
    """

    def __init__(
        self,
        captions: Sequence[str],
        paraphrases: Sequence[Sequence[str]],
        tokenizer: Tokenizer,
        max_tokens: int,
        device: torch.device,
    ) -> None:
        wordings = [[caption, *others] for caption, others in zip(captions, paraphrases, strict=True)]
        self.counts = torch.tensor([len(texts) for texts in wordings], dtype=torch.int64)
        self.starts = self.counts.cumsum(0) - self.counts
        texts = [text for texts in wordings for text in texts]
        self.ids = torch.from_numpy(encode(tokenizer, texts, max_tokens).astype(np.int32))
        self.pad_id, self.eos_id = pad_id(tokenizer), eos_id(tokenizer)
        self.device = device

    def __len__(self) -> int:
        return len(self.counts)

    @property
    def n_wordings(self) -> int:
        """Of all pictures together."""
        return len(self.ids)

    def wordings(self, numbers: Tensor) -> Tensor:
        """Wordings by their numbers among all: int64 (B, L). Those of picture i begin at ``starts[i]``."""
        return self._trim(self.ids[numbers])

    def canonical(self, rows: Tensor) -> Tensor:
        """First wording of the given rows: int64 (B, L)."""
        return self._trim(self.ids[self.starts[rows]])

    def any_wording(self, rows: Tensor, canonical_share: float = 0.0) -> Tensor:
        """A random wording of each row, from torch's global generator: int64 (B, L).

        Args:
            rows: Row numbers (B,).
            canonical_share: Share of the draws that take the first wording whatever the others are.
        """
        choice = (torch.rand(len(rows)) * self.counts[rows]).long()
        if canonical_share:
            choice = choice * (torch.rand(len(rows)) >= canonical_share)
        return self._trim(self.ids[self.starts[rows] + choice])

    def _trim(self, ids: Tensor) -> Tensor:
        longest = int((ids != self.pad_id).sum(1).max())
        return ids[:, :longest].long().to(self.device)
