"""Optimise latents or noise so that their images come nearer to given images."""

import math
from collections.abc import Callable, Iterator

import torch
from torch import Tensor

# Root mean square of a step, at most, and of the probe that finds its length. Latents and noise are about 1.
MAX_STEP, PROBE = 1.0, 0.03
_TINY = 1e-20


def optimize_latent(
    decode: Callable[[Tensor], Tensor],
    start: Tensor,
    images: Tensor,
    steps: int,
    max_norm: float = math.inf,
) -> Iterator[tuple[Tensor, Tensor]]:
    """Minimise the squared error by nonlinear conjugate gradients (Polak and Ribière), each image on its own.

    A decoder is nearly linear, so that the squared error along a line is nearly a parabola. A small probe in
    the search direction measures how the image changes, and this gives the minimum along the line
    (Gauss-Newton). So there is no learning rate. A step that increases the error is taken back; the next step
    is shorter and follows the gradient. One step costs two forward passes and one backward pass.

    Args:
        decode: Latents (B, …) to images (B, 3, S, S), differentiable.
        start: Initial latents, (B, …).
        images: Target images, (B, 3, S, S) in [-1, 1].
        steps: Number of steps.
        max_norm: Longer latents are scaled to this norm; for noise, which is only meaningful inside its ball.

    Yields:
        Images (B, 3, S, S) and latents (B, …): those of the start, then the best so far after each step.
    """
    latent, trust = start.detach(), start.new_full((len(start),), MAX_STEP)
    best = decoded = gradient = direction = torch.empty(0)
    lowest = start.new_full((len(start),), math.inf)
    for step in range(steps + 1):
        tracked = latent.clone().requires_grad_()
        with torch.enable_grad():
            new_decoded = decode(tracked)
            error = (images - new_decoded).square().flatten(1).sum(1)
            downhill = -torch.autograd.grad(error.sum(), tracked)[0]
        new_decoded, error = new_decoded.detach(), error.detach()
        if not step:
            best, decoded, lowest, gradient, direction = latent, new_decoded, error, downhill, downhill
        else:
            better = error < lowest
            beta = (
                _dot(downhill, downhill - gradient) / _dot(gradient, gradient).clamp_min(_TINY)
            ).clamp_min(0)
            direction = _where(better, downhill + _expand(beta, direction) * direction, gradient)
            best, decoded = _where(better, latent, best), _where(better, new_decoded, decoded)
            gradient, lowest = _where(better, downhill, gradient), torch.where(better, error, lowest)
            trust = torch.where(better, (2 * trust).clamp_max(MAX_STEP), trust / 4)
        yield decoded, best
        if step < steps:
            length = _step_length(decode, best, decoded, images, direction, trust)
            latent = best + _expand(length, best) * direction
            norm = latent.flatten(1).norm(dim=1)
            latent = latent * _expand((max_norm / norm.clamp_min(_TINY)).clamp_max(1), latent)


@torch.no_grad()
def _step_length(
    decode: Callable[[Tensor], Tensor],
    latent: Tensor,
    decoded: Tensor,
    images: Tensor,
    direction: Tensor,
    trust: Tensor,
) -> Tensor:
    """Step along the direction to the minimum of the error if the decoder were linear, (B,)."""
    size = direction.flatten(1).square().mean(1).sqrt().clamp_min(_TINY)
    unit = direction / _expand(size, direction)
    change = (decode(latent + PROBE * unit) - decoded) / PROBE
    length = _dot(images - decoded, change) / _dot(change, change).clamp_min(_TINY)
    return torch.minimum(torch.maximum(length, -trust), trust) / size


def _dot(one: Tensor, other: Tensor) -> Tensor:
    return (one * other).flatten(1).sum(1)


def _expand(factors: Tensor, like: Tensor) -> Tensor:
    """Factors (B,) in a shape that scales the rows of (B, …)."""
    return factors.view(-1, *[1] * (like.ndim - 1))


def _where(rows: Tensor, yes: Tensor, no: Tensor) -> Tensor:
    return torch.where(_expand(rows, yes), yes, no)
