"""Runtimes of trained networks: torch in several ways, ONNX Runtime, OpenVINO."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lexipix.compression.export import Unavailable
from lexipix.data.images import to_uint8
from lexipix.data.tokenization import encode
from lexipix.inference.onnx_generator import OnnxGenerator
from lexipix.models.conditional_generator import ConditionalGenerator
from lexipix.models.retrieval_to_image import RetrievalToImage
from lexipix.models.text_to_image import TextToImage
from lexipix.training.bundles import NetworkType, load_network, tokenizer_of
from lexipix.training.precision import has_bf16, put_channels_last
from lexipix.utils.errors import LexipixError
from lexipix.utils.types import ModelBundle, OnnxModel

REFERENCE = "torch_fp32"

# Prompts (N) and noise (N, Z) to images, uint8 (N, S, S, C)
Generate = Callable[[Sequence[str], NDArray[np.float32]], NDArray[np.uint8]]


def torch_network(
    bundle: ModelBundle, runtime: str, *networks: type[NetworkType]
) -> tuple[NetworkType, torch.dtype]:
    """Returns a network as a runtime of torch computes it, and the type of its numbers.

    Raises Unavailable for bfloat16 on a processor without it, where it is several times as slow as fp32.
    """
    if runtime == "torch_bf16" and not has_bf16(torch.device("cpu")):
        raise Unavailable("this processor has no bf16")
    dtype = torch.bfloat16 if runtime == "torch_bf16" else torch.float32
    loaded = load_network(bundle, *networks).to(dtype)
    if runtime != REFERENCE:
        put_channels_last(loaded)
    return loaded, dtype


def load_generator(runtime: str, bundle: ModelBundle, exported: OnnxModel | None = None) -> Generate:
    """Loads a trained generator into a runtime; those without torch take its exported form.

    Raises Unavailable if the runtime cannot run it on this machine, a LexipixError if it is not installed.
    """
    if exported is None:
        return _with_torch(bundle, runtime)
    if runtime.startswith("openvino_"):
        return _with_openvino(exported)
    generator = OnnxGenerator(exported)

    def generate(prompts: Sequence[str], noise: NDArray[np.float32]) -> NDArray[np.uint8]:
        generator.clear_cache()
        return generator.generate(prompts, noise)

    return generate


def _with_torch(bundle: ModelBundle, runtime: str) -> Generate:
    network, dtype = torch_network(bundle, runtime, TextToImage, RetrievalToImage)
    apply = _compiled(network) if runtime == "torch_compile" else network
    tokenizer, max_tokens = tokenizer_of(bundle), int(bundle.config["max_tokens"])

    @torch.inference_mode()
    def generate(prompts: Sequence[str], noise: NDArray[np.float32]) -> NDArray[np.uint8]:
        ids = torch.from_numpy(encode(tokenizer, prompts, max_tokens))
        return to_uint8(apply(ids, torch.from_numpy(noise).to(dtype)))

    return generate


def _compiled(network: ConditionalGenerator) -> Callable[[Tensor, Tensor], Tensor]:
    """A network compiled for any batch size and caption length; raises Unavailable without a compiler."""
    from torch._dynamo.exc import TorchDynamoException

    compiled: Callable[[Tensor, Tensor], Tensor] = torch.compile(network, dynamic=True)
    try:
        with torch.inference_mode():
            compiled(torch.full((2, 3), 5), torch.zeros(2, network.noise_dim))
    except (TorchDynamoException, RuntimeError) as error:
        raise Unavailable(f"torch.compile does not work here ({str(error).splitlines()[0]})") from error
    return compiled


def _with_openvino(model: OnnxModel) -> Generate:
    try:
        import openvino
    except ImportError as error:
        raise LexipixError(
            "compression.variants names an openvino variant, and OpenVINO is not installed: "
            "pip install 'lexipix[openvino]', or remove the variant from the list."
        ) from error
    core = openvino.Core()
    session = _OpenVinoGenerator(model, core)

    def generate(prompts: Sequence[str], noise: NDArray[np.float32]) -> NDArray[np.uint8]:
        encoding = session.encode(encode(session.tokenizer, prompts, session.max_tokens))
        return session.run("draw", **session.draw_inputs(encoding, noise))["pixels"]

    return generate


class _OpenVinoGenerator(OnnxGenerator):
    """An exported generator whose graphs run in OpenVINO; ``core`` is its entry point."""

    def __init__(self, model: OnnxModel, core: Any) -> None:
        super().__init__(model)
        self._compiled = {
            name: core.compile_model(core.read_model(model.graphs[name], b""), "CPU") for name in self.graphs
        }

    def run(self, graph: str, *outputs: str, **inputs: NDArray[Any]) -> dict[str, NDArray[Any]]:
        compiled = self._compiled[graph]
        results = compiled(inputs)
        return {output.any_name: results[output] for output in compiled.outputs}
