"""The captions of a batch: one of each image as padded token ids, and images that share a caption."""

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer
from torch import Tensor

from lexipix.data.tokenization import encode, eos_id, pad_id
from lexipix.utils.mapped_array import mapped_array

GROUP_SIZE = 4  # images of a batch that share a caption
CHUNK = 8192  # images whose captions are encoded at a time


class CaptionRows:
    """The captions of each image: the primary caption first, then its paraphrases, if it has any.

    Their token ids, without padding, and where each begins are in files, so that they need no memory.
    """

    def __init__(
        self,
        captions: Sequence[str],
        paraphrases: Sequence[Sequence[str]],
        tokenizer: Tokenizer,
        max_tokens: int,
        device: torch.device,
    ) -> None:
        self.pad_id, self.eos_id = pad_id(tokenizer), eos_id(tokenizer)
        self.device = device
        counts = np.fromiter((1 + len(others) for others in paraphrases), np.int64, len(paraphrases))
        self.counts = torch.from_numpy(mapped_array([counts]))
        # Of each image's captions among all
        self.starts = torch.from_numpy(mapped_array([counts.cumsum() - counts]))
        bounds = np.zeros(counts.sum() + 1, np.int64)  # of each caption's ids among all
        by_image = ([caption, *others] for caption, others in zip(captions, paraphrases, strict=True))
        self._ids = mapped_array(self._encode(by_image, tokenizer, max_tokens, bounds[1:]))
        self._bounds = mapped_array([bounds.cumsum(out=bounds)])

    def _encode(
        self,
        by_image: Iterator[list[str]],
        tokenizer: Tokenizer,
        max_tokens: int,
        lengths: NDArray[np.int64],
    ) -> Iterator[NDArray[Any]]:
        """Yield the ids of all captions, one after the other, and set the ``lengths`` of the captions."""
        dtype = np.uint16 if max(tokenizer.get_vocab().values()) < 2**16 else np.int32
        yield np.empty(0, dtype)
        n_captions = 0
        while some := list(islice(by_image, CHUNK)):
            ids = encode(tokenizer, [text for texts in some for text in texts], max_tokens)
            own = (ids != self.pad_id).sum(1)
            lengths[n_captions : n_captions + len(own)] = own
            n_captions += len(own)
            yield ids[np.arange(ids.shape[1]) < own[:, None]].astype(dtype)

    def __len__(self) -> int:
        return len(self.counts)

    @property
    def n_captions(self) -> int:
        """Number of captions of all images."""
        return len(self._bounds) - 1

    def select(self, indices: Tensor) -> Tensor:
        """Captions by their indices among all, int64 (B, L); those of image i begin at ``starts[i]``."""
        begins, ends = self._bounds[indices.numpy()], self._bounds[indices.numpy() + 1]
        places = begins[:, None] + np.arange((ends - begins).max())
        is_text = places < ends[:, None]
        ids = np.full(is_text.shape, self.pad_id, np.int64)
        ids[is_text] = self._ids[places[is_text]]
        return torch.from_numpy(ids).to(self.device)

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
