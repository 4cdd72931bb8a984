"""Adversarial losses as pure functions of logits, and the penalties on the discriminator's gradients.

``real`` are logits of real pictures with their captions; ``wrong`` of pictures drawn from the same captions,
or of the real pictures with each other's captions. Any shape; scalars come back.
"""

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from lexipix.training.parallel import Share

Adversary = Literal["hinge", "wasserstein", "relativistic"]


def discriminator_loss(kind: Adversary, real: Tensor, wrong: Tensor) -> Tensor:
    """What the discriminator minimises.

    - ``hinge``: max(0, 1 - real) + max(0, 1 + wrong) (Lim and Ye 2017, arXiv 1705.02894);
    - ``wasserstein``: wrong - real (Arjovsky et al. 2017), to be used with :func:`gradient_penalty`;
    - ``relativistic``: softplus(wrong - real) (R3GAN, arXiv 2501.05441), to be used with
      :func:`zero_penalty`.
    """
    if kind == "hinge":
        return F.relu(1 - real).mean() + F.relu(1 + wrong).mean()
    if kind == "wasserstein":
        return wrong.mean() - real.mean()
    return F.softplus(wrong - real).mean()


def generator_loss(kind: Adversary, real: Tensor, fake: Tensor) -> Tensor:
    """What the generator minimises: -fake, or softplus(real - fake) for the relativistic one.

    Only the relativistic loss looks at ``real``.
    """
    if kind == "relativistic":
        return F.softplus(real - fake).mean()
    return -fake.mean()


def gradient_penalty(
    judge: Callable[[Tensor], Tensor], real: Tensor, fake: Tensor, share: Share | None = None
) -> Tensor:
    """Mean (||gradient|| - 1)^2 at random points between real and drawn pictures (WGAN-GP, arXiv 1704.00028).

    Args:
        judge: Pictures (B, 3, S, S) to logits (B, K).
        real: (B, 3, S, S).
        fake: The same shape.
        share: Where these are one part of a batch: numbers are drawn for the whole of it.
    """
    share = share or Share()
    nearness = share.own(torch.rand(share.whole(len(real)), 1, 1, 1, device=real.device))
    between = torch.lerp(real, fake.detach(), nearness).requires_grad_()
    gradient = _gradient(judge, between)
    norms: Tensor = gradient.flatten(1).norm(dim=1)
    return (norms - 1).square().mean()


def zero_penalty(judge: Callable[[Tensor], Tensor], images: Tensor) -> Tensor:
    """Mean ||gradient||^2 at the given pictures: R1 on real ones, R2 on drawn ones (arXiv 1801.04406).

    Args:
        judge: Pictures (B, 3, S, S) to logits (B, K).
        images: (B, 3, S, S).
    """
    images = images.detach().requires_grad_()
    gradient = _gradient(judge, images)
    squares: Tensor = gradient.flatten(1).square().sum(1)
    return squares.mean()


def _gradient(judge: Callable[[Tensor], Tensor], images: Tensor) -> Tensor:
    # A view, since what counts the arithmetic of modules cannot follow autograd.grad to a module's own input
    judged = judge(images.view_as(images)).mean(1).sum()
    (gradient,) = torch.autograd.grad(judged, images, create_graph=True)
    return gradient


def energy_distance(real: Tensor, fake: Tensor, groups: Tensor) -> Tensor:
    """Generalised energy distance between real and drawn vectors of each group, mean over the groups.

    `2 E|x - y| - E|x - x'| - E|y - y'|` (Szekely and Rizzo 2013; as a loss, Gritsenko et al. 2020, arXiv
    2008.01160), each norm divided by the typical one between real vectors of the batch. It is zero only
    where the two distributions agree: the last term pushes drawings of one caption apart as far as its real
    pictures are. Unbiased for groups of two or more; a group of one has no say.

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
    if not accompanied.any():
        return (0 * fake).sum()
    # Every pair of a group weighs alike, and every group by its rows
    across = same / sizes[:, None] * accompanied[:, None]
    within = others / (sizes - 1).clamp_min(1)[:, None]
    among_real, among_fake = torch.cdist(real, real), torch.cdist(fake, fake)
    scale = among_real.detach().sum() / max(1, len(groups) * (len(groups) - 1))
    apart = 2 * (across * torch.cdist(real, fake)).sum() - (within * (among_real + among_fake)).sum()
    return apart / (accompanied.sum() * scale.clamp_min(1e-8))
