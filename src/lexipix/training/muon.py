"""Muon: an optimizer that makes the momentum of each matrix orthogonal before the update."""

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import AdamW

# Of the Newton-Schulz iteration of fifth degree, and the momentum (K. Jordan, https://kellerjordan.github.io/posts/muon/)
COEFFICIENTS, ITERATIONS, MOMENTUM = (3.4445, -4.7750, 2.0315), 5, 0.95
RMS = 0.2  # of an update over the learning rate, as AdamW's (arXiv 2502.16982)
MIN_SIDE = 16  # of a matrix; smaller ones read or write colors: their values have a scale of their own


class Muon(AdamW):
    """Muon for the matrices inside networks, and AdamW for embeddings, biases, norms and small matrices.

    The kernels of a convolution (O, I, H, W) are a matrix (O, I H W). ``torch.optim.Muon`` takes matrices
    only, and computes in bfloat16, which many processors emulate slowly.

    Args:
        network: What the weights belong to: its layers tell matrices from embeddings.
        groups: Trainable weights; a group has ``lr`` if its learning rate is another, and ``muon: False`` if
            AdamW updates all of it, as for a pretrained network, whose matrices are large.
        lr: Learning rate of both.
        beta2: Of AdamW.
        weight_decay: Of all weights.
        momentum: Of the gradients of matrices.
    """

    def __init__(
        self,
        network: nn.Module,
        groups: Iterable[Mapping[str, Any]],
        lr: float,
        beta2: float,
        weight_decay: float,
        momentum: float = MOMENTUM,
    ) -> None:
        self.momentum, matrices = momentum, _matrices(network)

        def part(group: Mapping[str, Any], muon: bool) -> dict[str, Any]:
            hidden = matrices if group.get("muon", True) else set()
            weights = [weight for weight in group["params"] if (id(weight) in hidden) == muon]
            return {**group, "params": weights, "muon": muon}

        parts = [part(group, muon) for group in groups for muon in (True, False)]
        used = [one for one in parts if one["params"]]
        super().__init__(used, lr, betas=(0.9, beta2), weight_decay=weight_decay, fused=True)

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> Any:
        groups = self.param_groups
        self.param_groups = [group for group in groups if not group["muon"]]
        try:
            loss = super().step(closure)
        finally:
            self.param_groups = groups
        for group in groups:
            if group["muon"]:
                # A training's autocast would compute the products in bfloat16, too coarse for those of Grams
                with torch.autocast(group["params"][0].device.type, enabled=False):
                    self._update_matrices(group)
        return loss

    def _update_matrices(self, group: dict[str, Any]) -> None:
        weights = [weight for weight in group["params"] if weight.grad is not None]
        if not weights:
            return  # such as those of an image encoder after a batch of text
        for weight in weights:
            if not self.state[weight]:  # AdamW expects a step in every state that it loads
                self.state[weight] |= {"step": torch.zeros(()), "momentum": torch.zeros_like(weight)}
        gradients, momenta = [w.grad for w in weights], [self.state[w]["momentum"] for w in weights]
        torch._foreach_lerp_(momenta, gradients, 1 - self.momentum)
        matrices = [one.flatten(1) for one in torch._foreach_lerp(gradients, momenta, self.momentum)]
        for weight, update in zip(weights, orthogonalize(matrices), strict=True):
            weight.mul_(1 - group["lr"] * group["weight_decay"])
            weight.sub_(group["lr"] * RMS * math.sqrt(max(update.shape)) * update.view(weight.shape))


def _matrices(network: nn.Module) -> set[int]:
    """The ids of the weights that Muon updates; those of spectral norms are ``weight.original``."""
    embeddings = {id(layer.weight) for layer in network.modules() if isinstance(layer, nn.Embedding)}
    weights = [
        weight
        for name, weight in network.named_parameters()
        if name.endswith(("weight", "weight.original")) and weight.ndim in (2, 4)
    ]
    return {id(one) for one in weights if min(one.flatten(1).shape) >= MIN_SIDE} - embeddings


def orthogonalize(matrices: Sequence[Tensor]) -> list[Tensor]:
    """Return matrices (M, N) with the same singular vectors, and singular values from 0.5 to 1.5.

    Only values below a thousandth of the norm stay smaller. An iteration is ``X = (a + b A + c A A) X`` with
    ``A = X X^T``, of the wide form of a matrix. All factors are made from the first ``A``, which is smaller
    than ``X``, for all matrices with the same shorter side at once.
    """
    wide = [matrix if matrix.shape[0] <= matrix.shape[1] else matrix.T for matrix in matrices]
    by_side: dict[int, list[int]] = defaultdict(list)
    for number, matrix in enumerate(wide):
        by_side[len(matrix)].append(number)
    orthogonal = list(matrices)
    for numbers in by_side.values():
        scaled = [wide[n] / wide[n].norm().clamp_min(1e-7) for n in numbers]
        products = _product_of_factors(torch.stack([x @ x.T for x in scaled]))
        for n, x, product in zip(numbers, scaled, products, strict=True):
            made = product @ x
            orthogonal[n] = made if wide[n] is matrices[n] else made.T
    return orthogonal


def _product_of_factors(grams: Tensor) -> Tensor:
    """The product of the factors of all iterations, from ``X X^T`` of each matrix (B, M, M)."""
    a, b, c = COEFFICIENTS
    scaled_identity = a * torch.eye(grams.shape[1], dtype=grams.dtype, device=grams.device)

    def factor_of(grams: Tensor) -> Tensor:
        return torch.baddbmm(grams, grams, grams, beta=b, alpha=c) + scaled_identity

    product = factor = factor_of(grams)
    for _ in range(ITERATIONS - 1):
        grams = factor @ grams @ factor
        factor = factor_of(grams)
        product = factor @ product
    return product
