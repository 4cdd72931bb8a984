"""Pictures that share a caption, so that a batch can hold several of them."""

import torch
from torch import Tensor

COMPANY = 4  # pictures of a batch that share a caption


class CaptionGroups:
    """Which training pictures share a caption.

    Args:
        of_rows: int64 (N,), equal numbers mark equal captions.
    """

    def __init__(self, of_rows: Tensor) -> None:
        self.of_rows, self.by_group = of_rows, of_rows.argsort(stable=True)
        self.counts = of_rows.bincount()
        self.starts = self.counts.cumsum(0) - self.counts
        self.place = torch.empty_like(of_rows)
        self.place[self.by_group] = torch.arange(len(of_rows)) - self.starts[of_rows[self.by_group]]

    def in_company(self, rows: Tensor) -> Tensor:
        """Let each caption of a batch come several times, where other pictures have it too.

        Only then does a discriminator see whether one caption gives one picture or many. Every picture
        stays as likely as before.

        Args:
            rows: Row numbers (B,).

        Returns:
            (B,): the first quarter as it is, and three times others with the same captions; a caption that no
            other picture has leaves its places to the rows that were there.
        """
        n_leaders = -(-len(rows) // COMPANY)
        leaders = rows[:n_leaders].repeat(COMPANY)[: len(rows)]
        counts = self.counts[self.of_rows[leaders]]
        further = 1 + (torch.rand(len(rows)) * (counts - 1)).long()
        further[:n_leaders] = 0
        starts = self.starts[self.of_rows[leaders]]
        company = self.by_group[starts + (self.place[leaders] + further) % counts]
        return torch.where(counts > 1, company, rows)
