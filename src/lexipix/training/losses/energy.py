"""The energy distance between real and drawn vectors: as a loss, caption by caption, and as a figure.

`2 E|x - y| - E|x - x'| - E|y - y'|` (Szekely and Rizzo 2013) is zero only where two distributions agree. The
loss compares what is drawn of each caption with its real pictures and leaves a row out of its own mean, so
that few rows do not bias it. The figure compares two whole sets of unit vectors and is zero for a set and
itself.
"""

import torch
from torch import Tensor
from torch.nn import functional as F


def energy_loss(real: Tensor, fake: Tensor, groups: Tensor) -> Tensor:
    """Energy distance between the real and the drawn vectors of each group, mean over the rows.

    As a loss it is that of Gritsenko et al. 2020 (arXiv 2008.01160). Each norm is divided by the typical one
    between real vectors of the batch. The last term pushes drawings of one caption apart as far as its real
    pictures are. Unbiased for groups of two or more, hence negative now and then; a group of one has no say.

    Args:
        real: (B, D).
        fake: (B, D), row by row of the same groups.
        groups: int (B,), equal numbers mark one group.

    Returns:
        Scalar; 0 where no group has two rows.
    """
    same = torch.eq(groups[:, None], groups[None]).to(real.device)
    others = same & ~torch.eye(len(groups), dtype=torch.bool, device=real.device)
    sizes = same.sum(1)
    accompanied = sizes > 1
    # Every pair of a group weighs alike, and every group by its rows
    across = same / sizes[:, None] * accompanied[:, None]
    within = others / (sizes - 1).clamp_min(1)[:, None]
    among_real, among_fake = torch.cdist(real, real), torch.cdist(fake, fake)
    scale = among_real.detach().sum() / max(1, len(groups) * (len(groups) - 1))
    apart = 2 * (across * torch.cdist(real, fake)).sum() - (within * (among_real + among_fake)).sum()
    return apart / (accompanied.sum().clamp_min(1) * scale.clamp_min(1e-8))


def energy_distance(vectors: Tensor, others: Tensor) -> float:
    """Energy distance between two sets of vectors, (N, V) and (M, V), of which only the directions count.

    From 0, of a set and itself, to 4; it needs no scale.
    """

    def apart(a: Tensor, b: Tensor) -> Tensor:
        return torch.cdist(F.normalize(a.double(), dim=1), F.normalize(b.double(), dim=1)).mean()

    return float(2 * apart(vectors, others) - apart(vectors, vectors) - apart(others, others))
