"""Adversarial losses as pure functions of logits, and gradient penalties.

``real`` are logits of real images with their captions; ``wrong`` of images generated from them, or of the
real images with each other's captions. Any shape; scalars are returned.
"""

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from lexipix.models.discriminator import DiscriminatorLogits

GANLoss = Literal["hinge", "wasserstein", "relativistic"]


def discriminator_loss(kind: GANLoss, real: Tensor, wrong: Tensor, counted: Tensor | None = None) -> Tensor:
    """Return the discriminator's loss, a mean over all logits or over the rows that ``counted`` (B,) marks.

    - ``hinge``: max(0, 1 - real) + max(0, 1 + wrong) (Lim and Ye 2017, arXiv 1705.02894), alone or with
      :func:`zero_centered_penalty`;
    - ``wasserstein``: wrong - real (Arjovsky et al. 2017), to be used with :func:`gradient_penalty`;
    - ``relativistic``: softplus(wrong - real) (R3GAN, arXiv 2501.05441), to be used with
      :func:`zero_centered_penalty`.
    """
    if kind == "hinge":
        return _mean(F.relu(1 - real), counted) + _mean(F.relu(1 + wrong), counted)
    if kind == "wasserstein":
        return _mean(wrong, counted) - _mean(real, counted)
    return _mean(F.softplus(wrong - real), counted)


def _mean(values: Tensor, counted: Tensor | None) -> Tensor:
    """Return the mean over the counted rows of (B, H), 0 where there is none, without waiting for a GPU."""
    if counted is None:
        return values.mean()
    return (values * counted[:, None]).sum() / (counted.sum() * values.shape[1]).clamp_min(1)


def generator_loss(kind: GANLoss, real: Tensor, fake: Tensor) -> Tensor:
    """Return the generator's loss: -fake, or softplus(real - fake) for the relativistic one.

    Only the relativistic loss uses ``real``.
    """
    if kind == "relativistic":
        return F.softplus(real - fake).mean()
    return -fake.mean()


def sum_head_losses(
    loss: Callable[[GANLoss, Tensor, Tensor], Tensor],
    kind: GANLoss,
    real: DiscriminatorLogits,
    wrong: DiscriminatorLogits,
) -> Tensor:
    """Return the loss of whole images plus that of patches, in which each head has the same weight."""
    patches = [loss(kind, *pair) for pair in zip(real.patch_logits, wrong.patch_logits, strict=True)]
    return loss(kind, real.match_logits, wrong.match_logits) + torch.stack(patches).mean()


def gradient_penalty(critic: Callable[[Tensor], Tensor], real: Tensor, fake: Tensor) -> Tensor:
    """Return the mean (||gradient|| - 1)^2 between real and fake images (WGAN-GP, arXiv 1704.00028).

    The critic maps images (B, 3, S, S) to logits (B, K).
    """
    position = torch.rand(len(real), 1, 1, 1, device=real.device)
    between = torch.lerp(real, fake.detach(), position).requires_grad_()
    norms: Tensor = _gradient(critic, between).flatten(1).norm(dim=1)
    return (norms - 1).square().mean()


def zero_centered_penalty(critic: Callable[[Tensor], Tensor], images: Tensor) -> Tensor:
    """Return the mean ||gradient||^2: R1 at real images, R2 at generated ones (arXiv 1801.04406)."""
    gradient = _gradient(critic, images.detach().requires_grad_())
    squares: Tensor = gradient.flatten(1).square().sum(1)
    return squares.mean()


def _gradient(critic: Callable[[Tensor], Tensor], images: Tensor) -> Tensor:
    # A view: torch's operation counter cannot follow autograd.grad to a module's own input
    logits = critic(images.view_as(images)).mean(1).sum()
    (gradient,) = torch.autograd.grad(logits, images, create_graph=True)
    return gradient
