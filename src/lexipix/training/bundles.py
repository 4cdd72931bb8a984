"""Trained networks to model bundles, which are saved as model folders, and back."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from math import prod
from textwrap import shorten
from typing import Any, TypeVar

import torch
from pydantic import BaseModel
from tokenizers import Tokenizer
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from lexipix.data.tokenization import encode
from lexipix.metrics.text import tokens
from lexipix.models.configurable_network import ConfigurableNetwork
from lexipix.utils.errors import LexipixError
from lexipix.utils.types import ModelBundle, OnnxPipeline

_MAX_UNSAVED = 2**26  # numbers of a network beside its weights, as in masks

NetworkType = TypeVar("NetworkType", bound=ConfigurableNetwork)


def to_bundle(
    kind: str,
    module: nn.Module,
    network_config: Mapping[str, Any],
    *,
    tokenizer: Tokenizer | str | None = None,
    card_parameters: BaseModel | Mapping[str, Any],
    data_digest: str,
    metrics: Mapping[str, Any],
    **extra: Any,
) -> ModelBundle:
    """Make the bundle of a trained network; nothing else is needed to use it.

    A tokenizer may be the text of its ``tokenizer.json``. ``extra`` are further keys of ``config.json``, such
    as ``known_words``, and ``max_tokens`` for a network with text: its longest caption, EOS included.
    """
    config = {"kind": kind, "network": dict(network_config), **extra}
    card = {"parameters": _plain(card_parameters), "data_digest": data_digest, "metrics": dict(metrics)}
    text = tokenizer.to_str() if isinstance(tokenizer, Tokenizer) else tokenizer
    tied = _tied_names(module)  # saved under their first names only
    weights = {
        name: tensor.detach().to("cpu", copy=True).contiguous()
        for name, tensor in module.state_dict().items()
        if name not in tied
    }
    return ModelBundle(config, weights, text, card)


def tokenizer_of(bundle: ModelBundle) -> Tokenizer:
    """The tokenizer of a bundle; it is an error if there is none."""
    if bundle.tokenizer is None:
        raise LexipixError(
            f"A model of kind {bundle.config['kind']} needs a tokenizer.json, but this one has none: "
            "train the model again."
        )
    return Tokenizer.from_str(bundle.tokenizer)


def token_ids(bundle: ModelBundle, texts: Sequence[str]) -> Tensor:
    """Encode texts with the tokenizer of a bundle: int64 (N, L)."""
    return torch.from_numpy(encode(tokenizer_of(bundle), texts, int(bundle.config["max_tokens"])))


def load_network(bundle: ModelBundle, *networks: type[NetworkType]) -> NetworkType:
    """Build the network of a bundle, one of some classes, with its weights, in evaluation mode on the CPU.

    Raises:
        LexipixError: The bundle holds another kind of network, or weights that do not fit its network.
    """
    kinds = {network.kind: network for network in networks}
    kind = bundle.config["kind"]
    if kind not in kinds:
        raise LexipixError(
            f"This model is a {kind}, but a {' or '.join(kinds)} is needed here: "
            "use another model folder, or train the model again."
        )
    # Networks are built with random weights first
    with torch.random.fork_rng(devices=[]), _NoLargerThan(bundle.weights, kind):
        module = kinds[kind].from_config(bundle.config["network"])
    try:
        report = module.load_state_dict(bundle.weights, strict=False)
    except RuntimeError as error:  # other shapes
        raise _unfit(kind, " ".join(str(error).split())) from error
    missing = set(report.missing_keys) - _tied_names(module)
    if missing or report.unexpected_keys:
        raise _unfit(kind, ", ".join(sorted(missing) + sorted(report.unexpected_keys)))
    return module.eval()


class _NoLargerThan(TorchDispatchMode):
    """Ends the construction of a network that grows far beyond its weights: its configuration is wrong.

    It counts the tensors that torch is asked for, before they take memory.
    """

    def __init__(self, weights: Mapping[str, Tensor], kind: str) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._kind, self._known = kind, sum(weight.numel() for weight in weights.values())
        # Tied weights are made for each of their names; masks are not among the weights
        self._tensors, self._numbers = 10 * len(weights) + 10_000, 4 * self._known + _MAX_UNSAVED

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if args and isinstance(args[0], list | tuple) and all(isinstance(size, int) for size in args[0]):
            self._tensors, self._numbers = self._tensors - 1, self._numbers - prod(args[0])
            if min(self._tensors, self._numbers) < 0:
                raise _unfit(self._kind, f"it is larger than these {self._known:,} weights")
        return func(*args, **(kwargs or {}))


def _unfit(kind: str, reason: str) -> LexipixError:
    return LexipixError(
        f"The weights of this {kind} do not fit the network that its config.json describes "
        f"({shorten(reason, 200, placeholder='…')}): train the model again."
    )


def fingerprint(
    *parts: BaseModel | ModelBundle | OnnxPipeline | Mapping[str, Any] | str | float | None,
) -> str:
    """A short hash that identifies work by its parameters, data and models."""
    text = json.dumps([_plain(part) for part in parts], sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def known_words(captions: Iterable[str]) -> list[str]:
    """The words of the training captions, sorted, in lower case; others in a prompt have little effect."""
    return sorted({word for caption in captions for word in tokens(caption) if word.isalnum()})


def _tied_names(module: nn.Module) -> set[str]:
    """Further names of weights that have several."""
    first = {name for name, _ in module.named_parameters()}
    return {name for name, _ in module.named_parameters(remove_duplicate=False)} - first


def _plain(part: Any) -> Any:
    if isinstance(part, ModelBundle):
        content = hashlib.sha256((part.tokenizer or "").encode())
        for name, tensor in sorted(part.weights.items()):
            content.update(name.encode())
            content.update(tensor.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().tobytes())
        return [part.config, content.hexdigest()]
    if isinstance(part, OnnxPipeline):
        graphs = [(name, *one) for name, model in part.models.items() for one in model.graphs.items()]
        digests = {f"{name}/{file}": hashlib.sha256(graph).hexdigest() for name, file, graph in graphs}
        arrays = {name: hashlib.sha256(array.tobytes()).hexdigest() for name, array in part.arrays.items()}
        return [part.config, digests, arrays, part.tokenizer]
    return part.model_dump(mode="json") if isinstance(part, BaseModel) else part
