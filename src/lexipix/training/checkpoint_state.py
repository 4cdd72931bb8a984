"""Weights, optimizer moments and averages as flat tensors, so that safetensors can hold them (no pickle)."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

Modules = Mapping[str, nn.Module]
Optimizers = Mapping[str, torch.optim.Optimizer]
NamedTensors = Mapping[str, Tensor]


def fixed_names(modules: Modules, optimizers: Optimizers) -> frozenset[str]:
    """Return the names, ``module.weight``, of the weights that no optimizer moves.

    Averages and checkpoints leave them out, which saves gigabytes with a large pretrained network.
    """
    trained = {
        id(weight) for opt in optimizers.values() for group in opt.param_groups for weight in group["params"]
    }
    return frozenset(
        f"{name}.{key}"
        for name, module in modules.items()
        for key, weight in module.named_parameters(remove_duplicate=False)
        if id(weight) not in trained
    )


def live_state(modules: Modules, fixed: frozenset[str]) -> dict[str, Tensor]:
    """Return weights and buffers by name, without the fixed ones; not copied."""
    return {
        f"{name}.{key}": value.detach()
        for name, module in modules.items()
        for key, value in module.state_dict().items()
        if f"{name}.{key}" not in fixed
    }


def cloned(tensors: NamedTensors) -> dict[str, Tensor]:
    """Return a copy of named tensors."""
    return {key: value.clone() for key, value in tensors.items()}


def pack_state(weights: Mapping[str, NamedTensors], optimizers: Optimizers) -> dict[str, Tensor]:
    """Return groups of weights as tensors ``group/name``, with the moments of the optimizers."""
    tensors = {f"{group}/{key}": value for group, named in weights.items() for key, value in named.items()}
    for name, optimizer in optimizers.items():
        for index, moments in optimizer.state_dict()["state"].items():
            for key, value in moments.items():
                tensors[f"optimizer/{name}/{index}/{key}"] = torch.as_tensor(value)
    return {key: value.detach().contiguous() for key, value in tensors.items()}


@torch.no_grad()
def unpack_state(tensors: NamedTensors, weights: Mapping[str, NamedTensors], optimizers: Optimizers) -> None:
    """Copy the tensors of :func:`pack_state` back in place."""
    for group, live in weights.items():
        for key, value in _under(f"{group}/", tensors).items():
            live[key].copy_(value)
    for name, optimizer in optimizers.items():
        trained = [weight for group in optimizer.param_groups for weight in group["params"]]
        state: dict[int, dict[str, Any]] = {}
        for path, value in _under(f"optimizer/{name}/", tensors).items():
            index, key = path.split("/")
            weight = trained[int(index)]
            # A fused optimizer reads weights and moments in memory order: moments need the weight's layout
            laid_out = torch.empty_like(weight).copy_(value) if value.shape == weight.shape else value.clone()
            state.setdefault(int(index), {})[key] = laid_out
        groups = optimizer.state_dict()["param_groups"]
        optimizer.load_state_dict({"state": state, "param_groups": groups})


def _under(prefix: str, tensors: NamedTensors) -> dict[str, Tensor]:
    return {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}
