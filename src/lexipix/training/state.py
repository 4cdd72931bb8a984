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


def pack_state(
    modules: Modules,
    optimizers: Optimizers,
    averages: "Averages",
    best_weights: Mapping[str, Tensor],
    fixed: frozenset[str],
) -> dict[str, Tensor]:
    """Flatten weights, optimizer moments, averages and best weights into named tensors."""
    tensors = {f"module/{key}": value for key, value in live_state(modules, fixed).items()}
    for name, optimizer in optimizers.items():
        for index, moments in optimizer.state_dict()["state"].items():
            for key, value in moments.items():
                tensors[f"optimizer/{name}/{index}/{key}"] = torch.as_tensor(value)
    tensors |= {f"average/{key}": value for key, value in averages.weights.items()}
    tensors |= {f"best/{key}": value for key, value in best_weights.items()}
    return {key: value.detach().contiguous() for key, value in tensors.items()}


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

    def under(prefix: str) -> dict[str, Tensor]:
        return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}

    saved = under("module/")
    for key, value in live_state(modules, fixed).items():
        value.copy_(saved[key])
    for name, optimizer in optimizers.items():
        state: dict[int, dict[str, Any]] = {}
        for path, value in under(f"optimizer/{name}/").items():
            index, key = path.split("/")
            state.setdefault(int(index), {})[key] = value.clone()
        groups = optimizer.state_dict()["param_groups"]
        optimizer.load_state_dict({"state": state, "param_groups": groups})
    for key, value in under("average/").items():
        averages.weights[key].copy_(value)
    return {key: value.clone() for key, value in under("best/").items()}
