"""The whole state of a training as flat tensors, so that safetensors can hold it (no pickle)."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from lexipix.training.ema import Averages

Modules = Mapping[str, nn.Module]
Optimizers = Mapping[str, torch.optim.Optimizer]


def fixed_names(modules: Modules, optimizers: Optimizers) -> frozenset[str]:
    """Names, ``module.weight``, of the weights that no optimizer moves.

    They are what they were when the task was made: no need to average them or to write them into checkpoints,
    which counts where a large pretrained network takes part.
    """
    moved = {
        id(weight) for opt in optimizers.values() for group in opt.param_groups for weight in group["params"]
    }
    return frozenset(
        f"{name}.{key}"
        for name, module in modules.items()
        for key, weight in module.named_parameters(remove_duplicate=False)
        if id(weight) not in moved
    )


def live_state(modules: Modules, fixed: frozenset[str]) -> dict[str, Tensor]:
    """Weights and buffers by name, without the fixed ones; not copied."""
    return {
        f"{name}.{key}": value.detach()
        for name, module in modules.items()
        for key, value in module.state_dict().items()
        if f"{name}.{key}" not in fixed
    }


def pack_learning(modules: Modules, optimizers: Optimizers, fixed: frozenset[str]) -> dict[str, Tensor]:
    """Flatten weights, without the fixed ones, and optimizer moments into named tensors."""
    tensors = {f"module/{key}": value for key, value in live_state(modules, fixed).items()}
    for name, optimizer in optimizers.items():
        for index, moments in optimizer.state_dict()["state"].items():
            for key, value in moments.items():
                tensors[f"optimizer/{name}/{index}/{key}"] = torch.as_tensor(value)
    return {key: value.detach().contiguous() for key, value in tensors.items()}


def pack_state(
    modules: Modules,
    optimizers: Optimizers,
    averages: "Averages",
    best_weights: Mapping[str, Tensor],
    fixed: frozenset[str],
) -> dict[str, Tensor]:
    """Flatten weights, optimizer moments, averages and best weights into named tensors."""
    tensors = {f"average/{key}": value for key, value in averages.weights.items()}
    tensors |= {f"best/{key}": value for key, value in best_weights.items()}
    return pack_learning(modules, optimizers, fixed) | {
        key: value.detach().contiguous() for key, value in tensors.items()
    }


@torch.no_grad()
def unpack_learning(
    tensors: Mapping[str, Tensor], modules: Modules, optimizers: Optimizers, fixed: frozenset[str]
) -> None:
    """Undo :func:`pack_learning` in place."""
    saved = _under("module/", tensors)
    for key, value in live_state(modules, fixed).items():
        value.copy_(saved[key])
    for name, optimizer in optimizers.items():
        weights = [weight for group in optimizer.param_groups for weight in group["params"]]
        state: dict[int, dict[str, Any]] = {}
        for path, value in _under(f"optimizer/{name}/", tensors).items():
            index, key = path.split("/")
            weight = weights[int(index)]
            # A fused optimizer goes through weights and moments in the order of memory: it must be the same
            laid_out = torch.empty_like(weight).copy_(value) if value.shape == weight.shape else value.clone()
            state.setdefault(int(index), {})[key] = laid_out
        groups = optimizer.state_dict()["param_groups"]
        optimizer.load_state_dict({"state": state, "param_groups": groups})


@torch.no_grad()
def unpack_state(
    tensors: Mapping[str, Tensor],
    modules: Modules,
    optimizers: Optimizers,
    averages: "Averages",
    fixed: frozenset[str],
) -> dict[str, Tensor]:
    """Undo :func:`pack_state` in place.

    Returns:
        The best weights.
    """
    unpack_learning(tensors, modules, optimizers, fixed)
    for key, value in _under("average/", tensors).items():
        averages.weights[key].copy_(value)
    return {key: value.clone() for key, value in _under("best/", tensors).items()}


def _under(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}
