"""Measures variants of a generator or of the captioner in one way: speed, memory, size, arithmetic."""

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch.utils.flop_counter import FlopCounterMode

from lexipix.compression.export import Unavailable
from lexipix.config.compression import NETWORKS, MeasurementParameters
from lexipix.metrics.speed import measure, peak_memory_mb
from lexipix.utils.types import ModelBundle, OnnxModel

_log = logging.getLogger(__name__)

QUALITY_SECONDS = 5.0  # a variant that is slower on all inputs is applied to one batch only
_BATCH = 64
_LOGGED = ("images_per_s", "latency_p50_ms", "size_mb", "fidelity_psnr", "r_precision", "agreement")

Pixels = NDArray[np.uint8]
Row = dict[str, float]
# For each argument of a variant its values for N images
Inputs = tuple[Sequence[str] | NDArray[Any], ...]
# Maps inputs to N captions or images
Apply = Callable[..., Sequence[str] | Pixels]


def split_name(variant: str) -> tuple[str, str]:
    """Splits ``small_onnx_int8`` into ``small`` and ``onnx_int8``; the baseline's name is empty."""
    for name in NETWORKS:
        if variant.startswith(f"{name}_"):
            return name, variant.removeprefix(f"{name}_")
    return "", variant


def measure_variants(
    model: str,
    variants: Iterable[str],
    load: Callable[[str], Apply],
    describe: Callable[[str, list[Any]], Row],
    inputs: Inputs,
    measurement: MeasurementParameters,
) -> dict[str, Row]:
    """Measures variants of a model on this machine's processor, tokenization included.

    A variant that is not available here is skipped. The first of the inputs alone gives the latency.
    ``describe`` gives further metrics by the variant's name and what it made of the inputs: of all, or of a
    batch where all would take longer than :data:`QUALITY_SECONDS`.

    Returns:
        Variant -> ``images_per_s`` (in batches), ``latency_p50_ms``, ``latency_p95_ms`` and
        ``latency_p99_ms`` (of one image), ``peak_mb`` (memory for loading and a batch, if the system reports
        it), and the further metrics.
    """
    table: dict[str, Row] = {}
    for variant in variants:
        try:
            outputs, row = _measure(partial(load, variant), inputs, measurement)
        except Unavailable as reason:
            _log.warning("%s %s is skipped: %s", model, variant, reason)
            continue
        table[variant] = row = row | describe(variant, outputs)
        shown = ", ".join(f"{key.replace('_', ' ')} {row[key]:,.5g}" for key in _LOGGED if key in row)
        _log.info("%s %s: %s", model, variant, shown)
    return table


def in_batches(apply: Apply, inputs: Inputs) -> list[Any]:
    """Returns what a variant makes of inputs, a list of captions or images."""
    starts = range(0, len(inputs[0]), _BATCH)
    return [one for start in starts for one in apply(*(some[start : start + _BATCH] for some in inputs))]


def size_mb(variant: str, bundle: ModelBundle, exported: OnnxModel | None) -> float:
    """Returns the size of the stored weights of a variant in MB (10^6 bytes)."""
    if exported is not None:
        arrays = sum(values.nbytes for values in exported.arrays.values())
        return (sum(map(len, exported.graphs.values())) + arrays) / 1e6
    n_bytes = 2 if variant.endswith("torch_bf16") else 4
    weights = bundle.weights.values()
    return sum(one.numel() * (n_bytes if one.is_floating_point() else one.itemsize) for one in weights) / 1e6


def arithmetic(bundle: ModelBundle, call: Callable[[], object]) -> Row:
    """Returns the number of weights of a network, and the MFLOP of a call, additions counted apart."""
    with FlopCounterMode(display=False) as counter:
        call()
    return {"parameters": float(_n_weights(bundle)), "mflop": counter.get_total_flops() / 1e6}


def _n_weights(bundle: ModelBundle) -> int:
    return sum(weight.numel() for weight in bundle.weights.values() if weight.is_floating_point())


def _measure(
    load: Callable[[], Apply], inputs: Inputs, measurement: MeasurementParameters
) -> tuple[list[Any], Row]:
    n = len(inputs[0])
    rows = [row % n for row in range(measurement.batch_size)]
    batch = tuple(
        some[rows] if isinstance(some, np.ndarray) else [some[row] for row in rows] for some in inputs
    )
    loaded: list[Apply] = []

    def load_and_use() -> None:
        loaded.append(load())
        loaded[0](*batch)

    peak = peak_memory_mb(load_and_use)
    if not loaded:  # without a peak of the system nothing was called
        load_and_use()
    (apply,) = loaded
    single = measure(
        partial(apply, *(some[:1] for some in inputs)),
        repeats=measurement.latency_repeats,
        max_seconds=measurement.max_seconds,
    )
    many = measure(
        partial(apply, *batch),
        warmup=1,
        repeats=measurement.throughput_repeats,
        n_images=len(rows),
        max_seconds=measurement.max_seconds,
    )
    row = {**asdict(single), "images_per_s": many.images_per_s}
    if peak is not None:
        row["peak_mb"] = peak
    n_applied = n if n / row["images_per_s"] <= QUALITY_SECONDS else min(n, len(rows))
    return in_batches(apply, tuple(some[:n_applied] for some in inputs)), row
