"""A generator in each runtime, from prompts to pixels: torch in several ways, ONNX Runtime, OpenVINO."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer
from torch import Tensor, nn

from lexipix.compression.export import Unavailable, megabytes
from lexipix.data.images import to_uint8
from lexipix.data.tokenization import encode
from lexipix.inference.onnx_generator import OnnxGenerator
from lexipix.models.text_to_image import TextToImage
from lexipix.training.bundles import load_network, tokenizer_of
from lexipix.training.precision import put_channels_last
from lexipix.utils.errors import LexipixError
from lexipix.utils.types import ModelBundle, OnnxModel

REFERENCE = "torch_fp32"
MEGA = 1e6

Pixels = NDArray[np.uint8]
# Prompts (N) and noise (N, Z) to images, uint8 (N, S, S, 3)
Generate = Callable[[Sequence[str], NDArray[np.float32]], Pixels]


@dataclass(frozen=True)
class Network:
    """A generator, and its ONNX exports by precision (``fp32``, ``int8``)."""

    bundle: ModelBundle
    exported: Mapping[str, OnnxModel]


def load(network: Network, runtime: str) -> Generate:
    """Loads a generator into a runtime.

    Raises:
        Unavailable: The runtime cannot run it on this machine.
        LexipixError: The runtime is not installed.
    """
    if runtime.startswith("torch_"):
        return _with_torch(network.bundle, runtime)
    if runtime.startswith("openvino_"):
        return _with_openvino(network.exported["fp32"])
    generator = OnnxGenerator(network.exported[runtime.removeprefix("onnx_")])

    def generate(prompts: Sequence[str], noise: NDArray[np.float32]) -> Pixels:
        generator.clear_cache()
        return generator.generate(prompts, noise)

    return generate


def size_mb(network: Network, runtime: str) -> float:
    """Returns the size of a generator's weights in a runtime, in MB (10^6 bytes)."""
    if runtime.startswith(("onnx_", "openvino_")):
        exported = network.exported["int8" if runtime.endswith("int8") else "fp32"]
        return megabytes(*exported.graphs.values())
    return weights_mb(network.bundle, runtime)


def weights_mb(bundle: ModelBundle, runtime: str) -> float:
    """Returns the size of a network's weights in a runtime of torch, in MB (10^6 bytes)."""
    n_bytes = 2 if runtime == "torch_bf16" else 4
    return sum(weight.numel() for weight in bundle.weights.values()) * n_bytes / MEGA


def _with_torch(bundle: ModelBundle, runtime: str) -> Generate:
    dtype = torch.bfloat16 if runtime == "torch_bf16" else torch.float32
    network: Callable[[Tensor, Tensor], Tensor] = load_network(bundle, TextToImage).to(dtype)
    tokenizer, max_tokens = tokenizer_of(bundle), int(bundle.config["max_tokens"])
    if runtime != REFERENCE:
        assert isinstance(network, nn.Module)
        put_channels_last(network)
    if runtime == "torch_compile":
        network = _compiled(network)

    @torch.inference_mode()
    def generate(prompts: Sequence[str], noise: NDArray[np.float32]) -> Pixels:
        ids = torch.from_numpy(encode(tokenizer, prompts, max_tokens))
        return to_uint8(network(ids, torch.from_numpy(noise).to(dtype)))

    return generate


def _compiled(network: Callable[[Tensor, Tensor], Tensor]) -> Callable[[Tensor, Tensor], Tensor]:
    """Returns a network compiled for any batch size and caption length.

    Raises:
        Unavailable: There is no C++ compiler, or it cannot compile this network.
    """
    from torch._dynamo.exc import TorchDynamoException

    compiled: Callable[[Tensor, Tensor], Tensor] = torch.compile(network, dynamic=True)
    try:
        with torch.inference_mode():
            compiled(torch.full((2, 3), 5), torch.zeros(2, network.prior.noise_dim))  # type: ignore[attr-defined]
    except (TorchDynamoException, RuntimeError) as error:
        raise Unavailable(f"torch.compile does not work here ({str(error).splitlines()[0]})") from error
    return compiled


def _with_openvino(model: OnnxModel) -> Generate:
    """Loads exported graphs into OpenVINO.

    Raises:
        LexipixError: The extra is not installed.
    """
    try:
        import openvino
    except ImportError as error:
        raise LexipixError(
            "compression.variants names an openvino variant, and OpenVINO is not installed: "
            "pip install 'lexipix[openvino]', or remove the variant from the list."
        ) from error
    core = openvino.Core()
    read, draw_graph = (
        core.compile_model(core.read_model(model.graphs[name], b""), "CPU") for name in ("read", "draw")
    )
    assert model.tokenizer is not None
    tokenizer, max_tokens = Tokenizer.from_str(model.tokenizer), int(model.config["max_tokens"])

    def generate(prompts: Sequence[str], noise: NDArray[np.float32]) -> Pixels:
        plan = read({"ids": encode(tokenizer, prompts, max_tokens)})
        parts = {output.any_name: plan[output] for output in read.outputs}
        pixels: Pixels = draw_graph({**parts, "noise": noise})["pixels"]
        return pixels

    return generate
