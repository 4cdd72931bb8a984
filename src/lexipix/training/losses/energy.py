"""The energy distance between real and generated features of each caption, as a loss."""

import torch
from torch import Tensor


def energy_loss(real: Tensor, fake: Tensor, groups: Tensor) -> Tensor:
    """Return the energy distance between real and generated vectors of each group, mean over the rows.

    ``2 E|x - y| - E|x - x'| - E|y - y'|`` (Szekely and Rizzo 2013) is zero only where two distributions
    agree; as a loss: Gritsenko et al. 2020 (arXiv 2008.01160). Each norm is divided by the mean norm between
    real vectors of the batch. The last term pushes the images of one caption as far apart as its real images
    are. A row is left out of its own mean, so that the loss is unbiased for groups of two or more, hence
    negative now and then. A group of one is ignored; the loss is 0 where no group has two rows.

    Vectors are (B, D), row by row of the same groups; equal numbers in ``groups``, int (B,), mark one.
    """
    same = torch.eq(groups[:, None], groups[None]).to(real.device)
    others = same & ~torch.eye(len(groups), dtype=torch.bool, device=real.device)
    sizes = same.sum(1)
    accompanied = sizes > 1
    # Every pair of a group has the same weight, and every group the weight of its rows
    across = same / sizes[:, None] * accompanied[:, None]
    within = others / (sizes - 1).clamp_min(1)[:, None]
    among_real, among_fake = torch.cdist(real, real), torch.cdist(fake, fake)
    scale = among_real.detach().sum() / max(1, len(groups) * (len(groups) - 1))
    apart = 2 * (across * torch.cdist(real, fake)).sum() - (within * (among_real + among_fake)).sum()
    return apart / (accompanied.sum().clamp_min(1) * scale.clamp_min(1e-8))
