"""Optimise a latent or noise so that its image comes nearer to a given image."""

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
    image: Tensor,
    steps: int,
    max_norm: float = math.inf,
) -> Iterator[tuple[Tensor, Tensor]]:
    """Minimise the squared error by nonlinear conjugate gradients (Polak and Ribière).

    A decoder is nearly linear, so that the squared error along a line is nearly a parabola. A small probe in
    the search direction measures how the image changes, and this gives the minimum along the line
    (Gauss-Newton). So there is no learning rate. A step that increases the error is taken back; the next step
    is shorter and follows the gradient. One step costs two forward passes and one backward pass.

    Args:
        decode: A latent (1, …) to an image (1, 3, S, S), differentiable.
        start: Initial latent, (1, …).
        image: Target image, (1, 3, S, S) in [-1, 1].
        steps: Number of steps.
        max_norm: Longer latents are scaled to this norm; for noise, which is only meaningful inside its ball.

    Yields:
        Image (1, 3, S, S) and latent (1, …): those of the start, then the best so far after each step.
    """
    latent, trust, lowest = start.detach(), MAX_STEP, math.inf
    best = decoded = gradient = direction = torch.empty(0)
    for step in range(steps + 1):
        tracked = latent.clone().requires_grad_()
        with torch.enable_grad():
            new_decoded = decode(tracked)
            error = (image - new_decoded).square().sum()
            downhill = -torch.autograd.grad(error, tracked)[0]
        if not step or error.item() < lowest:
            if step:
                kept = _dot(downhill, downhill - gradient) / _dot(gradient, gradient).clamp_min(_TINY)
                direction = downhill + kept.clamp_min(0) * direction
            else:
                direction = downhill
            best, decoded, gradient, lowest = latent, new_decoded.detach(), downhill, error.item()
            trust = min(2 * trust, MAX_STEP)
        else:
            direction, trust = gradient, trust / 4
        yield decoded, best
        if step == steps:
            break
        with torch.no_grad():  # to the minimum of the error along the direction if the decoder were linear
            size = direction.square().mean().sqrt().clamp_min(_TINY)
            change = (decode(best + PROBE * direction / size) - decoded) / PROBE
            length = _dot(image - decoded, change) / _dot(change, change).clamp_min(_TINY)
            latent = best + length.clamp(-trust, trust) / size * direction
            latent = latent * (max_norm / latent.norm().clamp_min(_TINY)).clamp_max(1)


def _dot(one: Tensor, other: Tensor) -> Tensor:
    return (one * other).sum()
