"""Losses of adversarial training as pure functions of logits and vectors, and penalties on gradients.

``real`` are logits of real pictures with their captions; ``wrong`` of pictures drawn from the same captions,
or of the real pictures with each other's captions. Any shape; scalars come back.
"""

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from lexipix.models.discriminator import DiscriminatorLogits
from lexipix.training.parallel import Share
from lexipix.training.tasks.contrastive import contrastive_loss

Adversary = Literal["hinge", "wasserstein", "relativistic"]
ALIGNMENT_SCALE = 20.0  # inverse temperature between drawn pictures and captions


def discriminator_loss(kind: Adversary, real: Tensor, wrong: Tensor, counted: Tensor | None = None) -> Tensor:
    """What the discriminator minimises, a mean over all logits or over the rows that ``counted`` (B,) marks.

    - ``hinge``: max(0, 1 - real) + max(0, 1 + wrong) (Lim and Ye 2017, arXiv 1705.02894);
    - ``wasserstein``: wrong - real (Arjovsky et al. 2017), to be used with :func:`gradient_penalty`;
    - ``relativistic``: softplus(wrong - real) (R3GAN, arXiv 2501.05441), to be used with
      :func:`zero_penalty`.
    """
    if kind == "hinge":
        return _mean(F.relu(1 - real), counted) + _mean(F.relu(1 + wrong), counted)
    if kind == "wasserstein":
        return _mean(wrong, counted) - _mean(real, counted)
    return _mean(F.softplus(wrong - real), counted)


def _mean(values: Tensor, counted: Tensor | None) -> Tensor:
    """Mean over the counted rows of (B, H), 0 where there is none; nothing waits for how many there are."""
    if counted is None:
        return values.mean()
    return (values * counted[:, None]).sum() / (counted.sum() * values.shape[1]).clamp_min(1)


def generator_loss(kind: Adversary, real: Tensor, fake: Tensor) -> Tensor:
    """What the generator minimises: -fake, or softplus(real - fake) for the relativistic one.

    Only the relativistic loss looks at ``real``.
    """
    if kind == "relativistic":
        return F.softplus(real - fake).mean()
    return -fake.mean()


def sum_head_losses(
    loss: Callable[[Adversary, Tensor, Tensor], Tensor],
    kind: Adversary,
    real: DiscriminatorLogits,
    wrong: DiscriminatorLogits,
) -> Tensor:
    """A loss of whole pictures and of places; each head counts alike, however many places it sees."""
    places = [loss(kind, *pair) for pair in zip(real.patch_logits, wrong.patch_logits, strict=True)]
    return loss(kind, real.match_logits, wrong.match_logits) + torch.stack(places).mean()


def alignment_loss(drawn: Tensor, captions: Tensor, groups: Tensor) -> Tensor:
    """Loss of telling, among a batch's captions, which one each picture was drawn from, and the reverse.

    Args:
        drawn: Unit vectors of drawn pictures, (B, V).
        captions: Those of their captions, (B, V).
        groups: int (B,): equal numbers mark equal captions.
    """
    similarities = ALIGNMENT_SCALE * drawn @ captions.T
    same = torch.eq(groups[:, None], groups[None])
    return contrastive_loss(similarities, same.to(similarities.device))


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
