"""The same generator in several forms: how fast each is, how large, and how near to its own fp32."""

import copy
import logging
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from lexipix.config.compression import MeasurementParameters, Variant
from lexipix.metrics.images import psnr
from lexipix.metrics.speed import measure
from lexipix.pipelines.compression.export import megabytes, start, tokenizer_of
from lexipix.records import ModelBundle, OnnxModel
from lexipix.training.bundles import load_network, own_weights
from lexipix.training.data import to_uint8
from lexipix.training.tokenization import encode

_log = logging.getLogger(__name__)

REFERENCE: Variant = "torch_fp32"

# ids (B, L) and noise (B, Z) to pictures, uint8 (B, S, S, 3)
Draw = Callable[[NDArray[np.int64], NDArray[np.float32]], NDArray[np.uint8]]


def measure_variants(
    bundle: ModelBundle,
    exported: OnnxModel,
    variants: Sequence[Variant],
    captions: Sequence[str],
    measurement: MeasurementParameters,
    threads: int,
) -> dict[str, dict[str, float]]:
    """Measure a generator's forms on this machine's processor.

    Args:
        bundle: The trained generator.
        exported: The same for ONNX Runtime.
        variants: Forms to measure.
        captions: Real captions to draw.
        measurement: Batch size and repetitions.
        threads: 0 takes every core.

    Returns:
        Variant -> images_per_s (in batches), latency_p50_ms (one image), size_mb (of the weights as they are
        kept) and, but for the reference itself, fidelity_psnr: mean over the captions of the per-image PSNR
        against the fp32 network, in decibels.
    """
    if threads:
        torch.set_num_threads(threads)
    ids = encode(tokenizer_of(bundle), captions, int(bundle.config["max_tokens"]))
    noise = np.random.default_rng(0).standard_normal((len(ids), exported.config["noise_width"]), np.float32)
    rows = np.arange(measurement.batch_size) % len(ids)
    reference = load_network(bundle)
    expected = _with_torch(reference, torch.float32)(ids, noise)
    table: dict[str, dict[str, float]] = {}
    for variant in variants:
        draw, size_mb = _variant(variant, reference, exported, threads)
        one = measure(
            partial(draw, ids[:1], noise[:1]),
            repeats=measurement.latency_repeats,
            max_seconds=measurement.max_seconds,
        )
        many = measure(
            partial(draw, ids[rows], noise[rows]),
            warmup=1,
            repeats=measurement.throughput_repeats,
            n_images=len(rows),
            max_seconds=measurement.max_seconds,
        )
        row = {"images_per_s": many.images_per_s, "latency_p50_ms": one.latency_p50_ms, "size_mb": size_mb}
        if variant != REFERENCE:
            row["fidelity_psnr"] = float(psnr(draw(ids, noise), expected).mean())
        table[variant] = row
    return table


def _variant(variant: Variant, network: nn.Module, exported: OnnxModel, threads: int) -> tuple[Draw, float]:
    """One form of a generator, and its size in MB."""
    if variant == "onnx_fp32":
        return _with_onnx(exported.graphs["draw"], threads), megabytes(*exported.graphs.values())
    dtype = torch.bfloat16 if variant == "torch_bf16" else torch.float32
    form = copy.deepcopy(network).to(dtype)
    if variant != REFERENCE:
        for parameter in form.parameters():
            if parameter.ndim == 4:
                parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)
    size = sum(weight.numel() * weight.element_size() for weight in own_weights(form).values())
    return _with_torch(form, dtype), size / 1e6


def _with_torch(network: nn.Module, dtype: torch.dtype) -> Draw:
    @torch.inference_mode()
    def draw(ids: NDArray[np.int64], noise: NDArray[np.float32]) -> NDArray[np.uint8]:
        images: Tensor = network(torch.from_numpy(ids), torch.from_numpy(noise).to(dtype))
        return to_uint8(images)

    return draw


def _with_onnx(graph: bytes, threads: int) -> Draw:
    session = start(graph, threads)

    def draw(ids: NDArray[np.int64], noise: NDArray[np.float32]) -> NDArray[np.uint8]:
        (images,) = session.run(None, {"ids": ids, "noise": noise})
        return to_uint8(torch.from_numpy(images))

    return draw


def as_lines(family: str, table: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """The table in words for the log."""
    lines = []
    for variant, row in table.items():
        near = f", {row['fidelity_psnr']:.1f} dB to its fp32" if "fidelity_psnr" in row else ""
        lines.append(
            f"{family} {variant}: {row['images_per_s']:,.0f} images/s, {row['latency_p50_ms']:.1f} ms "
            f"for one, {row['size_mb']:.1f} MB{near}"
        )
    return lines
