"""A few steps from a latent, or noise, to one whose picture is nearer to a given one."""

import math
from collections.abc import Callable, Iterator

import torch
from torch import Tensor

# Root mean square of a step: at most, and of the probe that finds its length. Latents and noise are about 1.
MAX_MOVE, PROBE = 1.0, 0.03
_TINY = 1e-20


def descend(
    decode: Callable[[Tensor], Tensor],
    start: Tensor,
    wanted: Tensor,
    steps: int,
    norm: float = math.inf,
) -> Iterator[tuple[Tensor, Tensor]]:
    """Conjugate gradients (Polak and Ribière) on the squared difference of pictures, each on its own.

    A decoder is nearly linear, so that the difference along a line is nearly a parabola: a small probe in
    the direction says how pictures change there, and with that where the lowest point lies (Gauss-Newton's
    step along a line). So there is no learning rate. A step that made a picture worse is taken back, and the
    next one is shorter and along the gradient. A step costs a pass forth and back and one more forth.

    Args:
        decode: Points (B, …) to pictures (B, 3, S, S), differentiable.
        start: Where each begins, (B, …).
        wanted: Pictures (B, 3, S, S) in [-1, 1].
        steps: How many.
        norm: No point grows longer than this; for noise, which means little outside its ball.

    Yields:
        Pictures (B, 3, S, S) and points (B, …): those of the start, then after each step the best so far.
    """
    point, trust = start.detach(), start.new_full((len(start),), MAX_MOVE)
    best = images = gradient = direction = torch.empty(0)
    lowest = start.new_full((len(start),), math.inf)
    for step in range(steps + 1):
        tracked = point.clone().requires_grad_()
        with torch.enable_grad():
            new_images = decode(tracked)
            difference = (wanted - new_images).square().flatten(1).sum(1)
            downhill = -torch.autograd.grad(difference.sum(), tracked)[0]
        new_images, difference = new_images.detach(), difference.detach()
        if not step:
            best, images, lowest, gradient, direction = point, new_images, difference, downhill, downhill
        else:
            better = difference < lowest
            turn = (
                _dot(downhill, downhill - gradient) / _dot(gradient, gradient).clamp_min(_TINY)
            ).clamp_min(0)
            direction = _where(better, downhill + _each(turn, direction) * direction, gradient)
            best, images = _where(better, point, best), _where(better, new_images, images)
            gradient, lowest = _where(better, downhill, gradient), torch.where(better, difference, lowest)
            trust = torch.where(better, (2 * trust).clamp_max(MAX_MOVE), trust / 4)
        yield images, best
        if step < steps:
            point = best + _each(_length(decode, best, images, wanted, direction, trust), best) * direction
            length = point.flatten(1).norm(dim=1)
            point = point * _each((norm / length.clamp_min(_TINY)).clamp_max(1), point)


@torch.no_grad()
def _length(
    decode: Callable[[Tensor], Tensor],
    point: Tensor,
    images: Tensor,
    wanted: Tensor,
    direction: Tensor,
    trust: Tensor,
) -> Tensor:
    """How far to go along a direction, (B,): to the lowest point if pictures changed evenly on the way."""
    size = direction.flatten(1).square().mean(1).sqrt().clamp_min(_TINY)
    unit = direction / _each(size, direction)
    change = (decode(point + PROBE * unit) - images) / PROBE
    length = _dot(wanted - images, change) / _dot(change, change).clamp_min(_TINY)
    return torch.minimum(torch.maximum(length, -trust), trust) / size


def _dot(one: Tensor, other: Tensor) -> Tensor:
    return (one * other).flatten(1).sum(1)


def _each(factors: Tensor, like: Tensor) -> Tensor:
    """Factors (B,) so that they scale the rows of (B, …)."""
    return factors.view(-1, *[1] * (like.ndim - 1))


def _where(rows: Tensor, yes: Tensor, no: Tensor) -> Tensor:
    return torch.where(_each(rows, yes), yes, no)
