"""Images that share a caption, so that a batch can hold several of them."""

import torch
from torch import Tensor

GROUP_SIZE = 4  # images of a batch that share a caption


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
