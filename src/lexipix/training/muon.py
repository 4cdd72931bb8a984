"""Muon: an optimizer that makes the momentum of each matrix orthogonal before the update."""

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
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
    """

    def __init__(
        self,
        network: nn.Module,
        groups: Iterable[Mapping[str, Any]],
        lr: float,
        beta2: float,
        weight_decay: float,
    ) -> None:
        matrices = _matrices(network)

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
                self._update_matrices(group)
        return loss

    def _update_matrices(self, group: dict[str, Any]) -> None:
        by_shape: dict[tuple[int, int], list[tuple[nn.Parameter, Tensor]]] = defaultdict(list)
        for weight in group["params"]:
            if weight.grad is not None:
                state = self.state[weight]
                if not state:  # AdamW expects a step in every state that it loads
                    state |= {"step": torch.zeros(()), "momentum": torch.zeros_like(weight)}
                state["momentum"].lerp_(weight.grad, 1 - MOMENTUM)
                matrix = weight.grad.lerp(state["momentum"], MOMENTUM).flatten(1)
                by_shape[matrix.shape[0], matrix.shape[1]].append((weight, matrix))
        for shape, found in by_shape.items():
            updates = orthogonalize(torch.stack([matrix for _, matrix in found]))
            for (weight, _), update in zip(found, updates, strict=True):
                weight.mul_(1 - group["lr"] * group["weight_decay"])
                weight.sub_(group["lr"] * RMS * math.sqrt(max(shape)) * update.view(weight.shape))


def _matrices(network: nn.Module) -> set[int]:
    """The ids of the weights that Muon updates."""
    embeddings = {id(layer.weight) for layer in network.modules() if isinstance(layer, nn.Embedding)}
    return {
        id(weight)
        for name, weight in network.named_parameters()
        if name.endswith("weight") and weight.ndim in (2, 4) and min(weight.flatten(1).shape) >= MIN_SIDE
    } - embeddings


def orthogonalize(matrices: Tensor) -> Tensor:
    """Return matrices (B, M, N) with the same singular vectors, and singular values from 0.5 to 1.5.

    Only values below a thousandth of the norm stay smaller. An iteration is ``X = (a + b A + c A A) X`` with
    ``A = X X^T``. All factors are made from the first ``A``, which is smaller than ``X``.
    """
    wide = matrices if matrices.shape[1] <= matrices.shape[2] else matrices.mT
    x = wide / wide.flatten(1).norm(dim=1).clamp_min(1e-7)[:, None, None]
    a, b, c = COEFFICIENTS
    scaled_identity = a * torch.eye(x.shape[1], dtype=x.dtype, device=x.device)

    def factor_of(gram: Tensor) -> Tensor:
        return torch.baddbmm(gram, gram, gram, beta=b, alpha=c) + scaled_identity

    gram = x @ x.mT
    product = factor = factor_of(gram)
    for _ in range(ITERATIONS - 1):
        gram = factor @ gram @ factor
        factor = factor_of(gram)
        product = factor @ product
    orthogonal: Tensor = product @ x
    return orthogonal if matrices.shape[1] <= matrices.shape[2] else orthogonal.mT
