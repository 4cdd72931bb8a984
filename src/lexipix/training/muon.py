"""Muon: an optimizer that makes the momentum of each matrix orthogonal before the update."""

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import AdamW

# Of polynomials a x + b x^3 + c x^5, one after the other, which take singular values from 0.008 to 1 as near
# to 1 as three of this degree can (minimax, as in arXiv 2505.16932). The last is multiplied by 0.82, so that
# updates are as long as those of torch.optim.Muon.
POLYNOMIALS = ((8.1743, -23.9397, 17.7000), (3.7415, -2.7974, 0.5451), (2.3184, -1.7311, 0.3834))
MOMENTUM = 0.95  # K. Jordan, https://kellerjordan.github.io/posts/muon/
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
        mixed = torch._foreach_lerp(gradients, momenta, self.momentum)
        matrices = [_as_matrix(one, weight) for one, weight in zip(mixed, weights, strict=True)]
        for weight, update in zip(weights, orthogonalize(matrices), strict=True):
            weight.mul_(1 - group["lr"] * group["weight_decay"])
            rate = group["lr"] * RMS * math.sqrt(max(update.shape))
            _as_matrix(weight, weight).add_(update, alpha=-rate)


def _as_matrix(tensor: Tensor, weight: Tensor) -> Tensor:
    """A weight, or a tensor of its shape, as a matrix whose columns are in the order of the weight in memory.

    So the matrix of the weight itself is a view.
    """
    if weight.ndim == 4 and weight.is_contiguous(memory_format=torch.channels_last):
        tensor = tensor.permute(0, 2, 3, 1)
    return tensor.reshape(len(tensor), -1)


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
    """Return matrices (M, N) with the same singular vectors, and singular values from 0.5 to 1.1.

    Only values below a hundredth of the largest stay smaller. A polynomial of :data:`POLYNOMIALS` is
    ``X = (a + b A + c A A) X`` with ``A = X X^T``, of the wide form of a matrix. All factors are made from
    the first ``A``, which is smaller than ``X``, for all matrices with the same shorter side at once.
    """
    by_shape: dict[torch.Size, list[int]] = defaultdict(list)
    for number, matrix in enumerate(matrices):
        by_shape[matrix.shape].append(number)
    stacks = {shape: torch.stack([matrices[n] for n in numbers]) for shape, numbers in by_shape.items()}
    wide = {shape: one if shape[0] <= shape[1] else one.mT for shape, one in stacks.items()}
    wide = {shape: x / x.norm(dim=(1, 2), keepdim=True).clamp_min(1e-7) for shape, x in wide.items()}
    orthogonal = list(matrices)
    for side in {min(shape) for shape in wide}:
        shapes = [shape for shape in wide if min(shape) == side]
        products = _product_of_factors(torch.cat([wide[shape] @ wide[shape].mT for shape in shapes]))
        for shape, product in zip(shapes, products.split([len(wide[one]) for one in shapes]), strict=True):
            made = product @ wide[shape]
            for n, one in zip(by_shape[shape], made if shape[0] <= shape[1] else made.mT, strict=True):
                orthogonal[n] = one
    return orthogonal


def _product_of_factors(grams: Tensor) -> Tensor:
    """The product of the factors of all polynomials, from ``X X^T`` of each matrix (B, M, M)."""
    squares = grams @ grams
    # No less than the largest singular value of X, and little more
    largest = squares.norm(dim=(1, 2), keepdim=True).clamp_min(1e-20).pow(0.25)
    grams, squares = grams / largest.square(), squares / largest.pow(4)
    identity = torch.eye(grams.shape[1], dtype=grams.dtype, device=grams.device)
    product: Tensor = 1 / largest
    for number, (a, b, c) in enumerate(POLYNOMIALS):
        factor = a * identity + b * grams + c * squares
        product = factor @ product if number else factor * product
        if number + 1 < len(POLYNOMIALS):
            grams = factor @ grams @ factor
            squares = grams @ grams
    return product
