"""A generator in several forms, each measured from prompts to pixels: speed, size, likeness, quality."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from lexipix.config.compression import NETWORKS, MeasurementParameters
from lexipix.errors import LexipixError
from lexipix.metrics.images import psnr, ssim
from lexipix.metrics.speed import measure, peak_memory_mb
from lexipix.pipelines.compression.export import Unavailable, megabytes, tokenizer_of
from lexipix.pipelines.compression.quality import TaskQuality
from lexipix.pipelines.generation.models import Drawer
from lexipix.records import ModelBundle, OnnxModel
from lexipix.training.bundles import load_network
from lexipix.training.data import to_uint8
from lexipix.training.tokenization import encode

_log = logging.getLogger(__name__)

REFERENCE = "torch_fp32"
QUALITY_SECONDS = 5.0  # a form too slow to draw the validation captions in this time is not judged
MEGA = 1e6

Pixels = NDArray[np.uint8]
# Prompts (N) and noise (N, Z) to pictures, uint8 (N, S, S, 3)
Draw = Callable[[Sequence[str], NDArray[np.float32]], Pixels]
Row = dict[str, float]
Call = TypeVar("Call", bound=Callable[..., Any])


@dataclass(frozen=True)
class Network:
    """A generator, whole or made smaller, and the same for ONNX Runtime by precision (``fp32``, ``int8``)."""

    bundle: ModelBundle
    exported: Mapping[str, OnnxModel]


def split_name(variant: str) -> tuple[str, str]:
    """``small_onnx_int8`` to ``small`` and ``onnx_int8``; the whole network's name is empty."""
    for name in NETWORKS:
        if variant.startswith(f"{name}_"):
            return name, variant.removeprefix(f"{name}_")
    return "", variant


def measure_forms(
    networks: Mapping[str, Network],
    variants: Sequence[str],
    quality: TaskQuality,
    measurement: MeasurementParameters,
    threads: int,
) -> dict[str, Row]:
    """Measure a family's forms on this machine's processor, tokenizing and reading of the words included.

    Args:
        networks: ``""`` is the whole generator; ``pruned`` and ``small`` where there are such.
        variants: Forms to measure.
        quality: Judges pictures of its captions.
        measurement: Batch size and repetitions.
        threads: 0 takes every core.

    Returns:
        Variant -> ``images_per_s`` (in batches of different prompts), ``latency_p50_ms``, ``latency_p95_ms``
        and ``latency_p99_ms`` (one image of a prompt not read before), ``size_mb`` (of the weights as they
        are kept), ``parameters``, ``mflop`` (of one image, multiplication and addition counted apart),
        ``peak_mb`` (memory for loading it and drawing a batch, where the system tells), ``fidelity_psnr``
        and ``fidelity_ssim`` (mean over captions, to the whole network in fp32), and the figures of
        :class:`TaskQuality`.
    """
    if threads:
        torch.set_num_threads(threads)
    whole = networks[""]
    captions = quality.captions
    noise = np.random.default_rng(0).standard_normal((len(captions), _noise_width(whole.bundle)), np.float32)
    expected = _in_batches(_with_torch(whole.bundle, "torch_fp32"), captions, noise)
    sizes = {name: _arithmetic(network.bundle, captions) for name, network in networks.items()}
    table: dict[str, Row] = {}
    for variant in variants:
        name, engine = split_name(variant)
        if name not in networks:
            continue
        try:
            row = _measure(networks[name], engine, captions, noise, expected, quality, measurement)
            table[variant] = row | sizes[name]
        except Unavailable as reason:
            _log.warning("%s is left out: %s", variant, reason)
    return table


def _measure(
    network: Network,
    engine: str,
    captions: Sequence[str],
    noise: NDArray[np.float32],
    expected: Pixels,
    quality: TaskQuality,
    measurement: MeasurementParameters,
) -> Row:
    rows = [row % len(captions) for row in range(measurement.batch_size)]
    draw, row = timed(
        partial(_engine, network, engine),
        (captions[:1], noise[:1]),
        ([captions[row] for row in rows], noise[rows]),
        measurement,
    )
    row["size_mb"] = _size_mb(network, engine)
    n_judged = len(captions) if len(captions) / row["images_per_s"] <= QUALITY_SECONDS else len(rows)
    drawn = _in_batches(draw, captions[:n_judged], noise[:n_judged])
    row["fidelity_psnr"] = float(psnr(drawn, expected[:n_judged]).mean())
    row["fidelity_ssim"] = float(ssim(drawn, expected[:n_judged]).mean())
    if n_judged == len(captions):
        row |= quality(drawn)
    return row


def timed(
    make: Callable[[], Call], one: tuple[Any, ...], many: tuple[Any, ...], measurement: MeasurementParameters
) -> tuple[Call, Row]:
    """Load a form of a model and measure how fast it is.

    Args:
        make: Loads it.
        one: What it is called with for one picture.
        many: What it is called with for a batch.
        measurement: Repetitions.

    Returns:
        The form, and ``images_per_s`` (in batches), ``latency_p50_ms``, ``latency_p95_ms`` and
        ``latency_p99_ms`` (of one picture), ``peak_mb`` (memory for loading it and a batch, where the system
        tells).
    """
    made: list[Call] = []

    def load_and_use() -> None:
        made.append(make())
        made[0](*many)

    peak = peak_memory_mb(load_and_use)
    if not made:  # where the system tells no peak nothing was called
        load_and_use()
    single = measure(
        partial(made[0], *one),
        repeats=measurement.latency_repeats,
        max_seconds=measurement.max_seconds,
    )
    batches = measure(
        partial(made[0], *many),
        warmup=1,
        repeats=measurement.throughput_repeats,
        n_images=len(many[0]),
        max_seconds=measurement.max_seconds,
    )
    row = {
        "images_per_s": batches.images_per_s,
        "latency_p50_ms": single.latency_p50_ms,
        "latency_p95_ms": single.latency_p95_ms,
        "latency_p99_ms": single.latency_p99_ms,
    }
    return made[0], row if peak is None else row | {"peak_mb": peak}


def weights_mb(bundle: ModelBundle, engine: str) -> float:
    """Size of a network's weights as an engine of torch holds them, in MB (10^6 bytes)."""
    n_bytes = 2 if engine == "torch_bf16" else 4
    return sum(weight.numel() for weight in bundle.weights.values()) * n_bytes / MEGA


def put_channels_last(network: nn.Module) -> None:
    """Lay the weights of convolutions out as they are fastest on most processors."""
    for parameter in network.parameters():
        if parameter.ndim == 4:
            parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)


def _arithmetic(bundle: ModelBundle, captions: Sequence[str]) -> Row:
    """Number of weights, and MFLOP of reading a caption of mean length and drawing it."""
    module = load_network(bundle)
    tokenizer = tokenizer_of(bundle)
    lengths = [len(tokenizer.encode(caption).ids) for caption in captions]
    length = min(round(float(np.mean(lengths))), int(bundle.config["max_tokens"]))
    ids = torch.full((1, length), 5)
    with FlopCounterMode(display=False) as counter:  # without gradients torch fuses layers it cannot count
        module(ids, torch.zeros(1, _noise_width(bundle)))
    n_weights = sum(weight.numel() for weight in bundle.weights.values())
    return {"parameters": float(n_weights), "mflop": counter.get_total_flops() / MEGA}


def _engine(network: Network, engine: str) -> Draw:
    if engine.startswith("torch_"):
        return _with_torch(network.bundle, engine)
    if engine.startswith("openvino_"):
        return _with_openvino(network.exported["fp32"])
    drawer = Drawer(network.exported[engine.removeprefix("onnx_")])

    def draw(prompts: Sequence[str], noise: NDArray[np.float32]) -> Pixels:
        drawer.forget()
        return drawer.draw(prompts, noise)

    return draw


def _size_mb(network: Network, engine: str) -> float:
    if engine.startswith(("onnx_", "openvino_")):
        exported = network.exported["int8" if engine.endswith("int8") else "fp32"]
        return megabytes(*exported.graphs.values())
    return weights_mb(network.bundle, engine)


def _with_torch(bundle: ModelBundle, engine: str) -> Draw:
    dtype = torch.bfloat16 if engine == "torch_bf16" else torch.float32
    network: Callable[[Tensor, Tensor], Tensor] = load_network(bundle).to(dtype)
    tokenizer, max_tokens = tokenizer_of(bundle), int(bundle.config["max_tokens"])
    if engine != REFERENCE:
        assert isinstance(network, nn.Module)
        put_channels_last(network)
    if engine == "torch_compile":
        network = _compiled(network)

    @torch.inference_mode()
    def draw(prompts: Sequence[str], noise: NDArray[np.float32]) -> Pixels:
        ids = torch.from_numpy(encode(tokenizer, prompts, max_tokens))
        return to_uint8(network(ids, torch.from_numpy(noise).to(dtype)))

    return draw


def _compiled(network: Callable[[Tensor, Tensor], Tensor]) -> Callable[[Tensor, Tensor], Tensor]:
    """A network compiled for any batch and length.

    Raises:
        Unavailable: There is no C++ compiler, or it cannot compile this network.
    """
    from torch._dynamo.exc import TorchDynamoException

    compiled: Callable[[Tensor, Tensor], Tensor] = torch.compile(network, dynamic=True)
    try:
        with torch.inference_mode():
            compiled(torch.full((2, 3), 5), torch.zeros(2, network.prior.noise_width))  # type: ignore[attr-defined]
    except (TorchDynamoException, RuntimeError) as error:
        raise Unavailable(f"torch.compile does not work here ({str(error).splitlines()[0]})") from error
    return compiled


def _with_openvino(model: OnnxModel) -> Draw:
    """The exported graphs in OpenVINO.

    Raises:
        LexipixError: The extra is not installed.
    """
    try:
        import openvino
    except ImportError as error:
        raise LexipixError(
            "compression.variants names an openvino form, and OpenVINO is not installed: "
            "pip install 'lexipix[openvino]', or take the form out of the list."
        ) from error
    core = openvino.Core()
    read, draw_graph = (
        core.compile_model(core.read_model(model.graphs[name], b""), "CPU") for name in ("read", "draw")
    )
    tokenizer_text, max_tokens = model.tokenizer, int(model.config["max_tokens"])
    from tokenizers import Tokenizer

    assert tokenizer_text is not None
    tokenizer = Tokenizer.from_str(tokenizer_text)

    def draw(prompts: Sequence[str], noise: NDArray[np.float32]) -> Pixels:
        plan = read({"ids": encode(tokenizer, prompts, max_tokens)})
        parts = {output.any_name: plan[output] for output in read.outputs}
        pixels: Pixels = draw_graph({**parts, "noise": noise})["pixels"]
        return pixels

    return draw


def _in_batches(draw: Draw, prompts: Sequence[str], noise: NDArray[np.float32], size: int = 64) -> Pixels:
    starts = range(0, len(prompts), size)
    return np.concatenate(
        [draw(prompts[start : start + size], noise[start : start + size]) for start in starts]
    )


def _noise_width(bundle: ModelBundle) -> int:
    return int(bundle.config["network"]["prior"]["noise_width"])


def as_lines(family: str, table: Mapping[str, Row]) -> list[str]:
    """The table in words for the log."""
    lines = []
    for variant, row in table.items():
        quality = "".join(
            f", {key.replace('_', ' ')} {row[key]:.3f}"
            for key in ("attribute_accuracy", "r_precision", "kid")
            if key in row
        )
        lines.append(
            f"{family} {variant}: {row['images_per_s']:,.0f} images/s, {row['latency_p50_ms']:.1f} ms "
            f"for one, {row['size_mb']:.1f} MB, {row['fidelity_psnr']:.1f} dB to its fp32{quality}"
        )
    return lines
