"""The energy distance between real and generated features, of each caption and of all, as a loss."""

import torch
from torch import Tensor


def energy_loss(real: Tensor, fake: Tensor, groups: Tensor) -> Tensor:
    """Return the energy distance between real and generated vectors: of each group, and of all of them.

    ``2 E|x - y| - E|x - x'| - E|y - y'|`` (Szekely and Rizzo 2013) is zero only where two distributions
    agree; as a loss: Gritsenko et al. 2020 (arXiv 2008.01160). The loss is its mean over the rows of groups,
    plus that of all rows together: a group has few rows, and all rows show what all captions leave out. Each
    norm is divided by the mean norm between real vectors of the batch. The last term pushes the images of one
    caption as far apart as its real images are. A row is left out of its own mean, so that the loss is
    unbiased for groups of two or more, hence negative now and then. A group of one is ignored.

    Vectors are (B, D), row by row of the same groups; equal numbers in ``groups``, int (B,), mark one.
    """
    across, among_real, among_fake = torch.cdist(real, fake), torch.cdist(real, real), torch.cdist(fake, fake)
    scale = among_real.detach().sum() / max(1, len(groups) * (len(groups) - 1))
    among = among_real + among_fake
    of_caption = torch.eq(groups[:, None], groups[None]).to(real.device)
    distance = _distance(across, among, of_caption) + _distance(across, among, torch.ones_like(of_caption))
    loss: Tensor = distance / scale.clamp_min(1e-8)
    return loss


def _distance(across: Tensor, among: Tensor, same: Tensor) -> Tensor:
    """Return the mean energy distance of groups; ``same`` (B, B) marks pairs of one group.

    Every pair of a group has the same weight, and every group the weight of its rows.
    """
    sizes = same.sum(1)
    accompanied = sizes > 1
    others = same & ~torch.eye(len(same), dtype=torch.bool, device=same.device)
    apart = (same / sizes[:, None] * accompanied[:, None] * across).sum()
    within = (others / (sizes - 1).clamp_min(1)[:, None] * among).sum()
    return (2 * apart - within) / accompanied.sum().clamp_min(1)
