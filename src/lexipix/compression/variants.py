"""Variants of a generator, measured from prompts to pixels: speed, size, fidelity, quality."""

import logging
from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.flop_counter import FlopCounterMode

from lexipix.compression.export import Unavailable
from lexipix.compression.quality import TaskQuality
from lexipix.compression.runtimes import MEGA, REFERENCE, Generate, Network, load, size_mb
from lexipix.compression.timing import QUALITY_SECONDS, Row, time_variant
from lexipix.config.compression import NETWORKS, MeasurementParameters
from lexipix.metrics.images import psnr, ssim
from lexipix.models.text_to_image import TextToImage
from lexipix.training.bundles import load_network, tokenizer_of
from lexipix.utils.types import ModelBundle

_log = logging.getLogger(__name__)

Pixels = NDArray[np.uint8]


def split_name(variant: str) -> tuple[str, str]:
    """Splits ``small_onnx_int8`` into ``small`` and ``onnx_int8``; the baseline's name is empty."""
    for name in NETWORKS:
        if variant.startswith(f"{name}_"):
            return name, variant.removeprefix(f"{name}_")
    return "", variant


def measure_variants(
    networks: Mapping[str, Network],
    variants: Sequence[str],
    quality: TaskQuality,
    measurement: MeasurementParameters,
    threads: int,
) -> dict[str, Row]:
    """Measures variants of a family on this machine's processor, tokenization included.

    Args:
        networks: ``""`` is the uncompressed generator; ``pruned`` and ``small`` if they exist.
        variants: Variants to measure.
        quality: Measures images of its captions.
        measurement: Batch size and repetitions.
        threads: 0 takes all cores.

    Returns:
        Variant -> ``images_per_s`` (in batches of different prompts), ``latency_p50_ms``, ``latency_p95_ms``
        and ``latency_p99_ms`` (one image of a new prompt), ``size_mb`` (stored weights), ``parameters``,
        ``mflop`` (of one image, multiplications and additions counted apart), ``peak_mb`` (memory for loading
        and a batch, if the system reports it), ``fidelity_psnr`` and ``fidelity_ssim`` (mean over captions,
        compared with the uncompressed network in fp32), and the metrics of
        :class:`TaskQuality`.
    """
    if threads:
        torch.set_num_threads(threads)
    baseline = networks[""]
    captions = quality.captions
    noise = np.random.default_rng(0).standard_normal(
        (len(captions), _noise_width(baseline.bundle)), np.float32
    )
    expected = _in_batches(load(baseline, REFERENCE), captions, noise)
    sizes = {name: _cost(network.bundle, captions) for name, network in networks.items()}
    table: dict[str, Row] = {}
    for variant in variants:
        name, runtime = split_name(variant)
        if name not in networks:
            continue
        try:
            row = _measure(networks[name], runtime, captions, noise, expected, quality, measurement)
            table[variant] = row | sizes[name]
        except Unavailable as reason:
            _log.warning("%s is skipped: %s", variant, reason)
    return table


def _measure(
    network: Network,
    runtime: str,
    captions: Sequence[str],
    noise: NDArray[np.float32],
    expected: Pixels,
    quality: TaskQuality,
    measurement: MeasurementParameters,
) -> Row:
    rows = [row % len(captions) for row in range(measurement.batch_size)]
    generate, row = time_variant(
        partial(load, network, runtime),
        (captions[:1], noise[:1]),
        ([captions[row] for row in rows], noise[rows]),
        measurement,
    )
    row["size_mb"] = size_mb(network, runtime)
    n_measured = len(captions) if len(captions) / row["images_per_s"] <= QUALITY_SECONDS else len(rows)
    drawn = _in_batches(generate, captions[:n_measured], noise[:n_measured])
    row["fidelity_psnr"] = float(psnr(drawn, expected[:n_measured]).mean())
    row["fidelity_ssim"] = float(ssim(drawn, expected[:n_measured]).mean())
    if n_measured == len(captions):
        row |= quality(drawn)
    return row


def _cost(bundle: ModelBundle, captions: Sequence[str]) -> Row:
    """Number of weights, and MFLOP of an image of a caption of mean length."""
    module = load_network(bundle, TextToImage)
    tokenizer = tokenizer_of(bundle)
    lengths = [len(tokenizer.encode(caption).ids) for caption in captions]
    length = min(round(float(np.mean(lengths))), int(bundle.config["max_tokens"]))
    ids = torch.full((1, length), 5)
    with FlopCounterMode(display=False) as counter:  # without gradients torch fuses layers it cannot count
        module(ids, torch.zeros(1, _noise_width(bundle)))
    n_weights = sum(weight.numel() for weight in bundle.weights.values())
    return {"parameters": float(n_weights), "mflop": counter.get_total_flops() / MEGA}


def _in_batches(
    generate: Generate, prompts: Sequence[str], noise: NDArray[np.float32], size: int = 64
) -> Pixels:
    starts = range(0, len(prompts), size)
    return np.concatenate(
        [generate(prompts[start : start + size], noise[start : start + size]) for start in starts]
    )


def _noise_width(bundle: ModelBundle) -> int:
    return int(bundle.config["network"]["prior"]["noise_dim"])


def as_lines(family: str, table: Mapping[str, Row]) -> list[str]:
    """Returns the table as lines for the log."""
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
