"""A generator in several forms, each measured from prompts to pixels: speed, size, likeness, quality."""

import logging
from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.flop_counter import FlopCounterMode

from lexipix.compression.export import Unavailable
from lexipix.compression.quality import TaskQuality
from lexipix.compression.runtimes import MEGA, REFERENCE, Draw, Network, load, size_mb
from lexipix.compression.timing import QUALITY_SECONDS, Row, timed
from lexipix.config.compression import NETWORKS, MeasurementParameters
from lexipix.metrics.images import psnr, ssim
from lexipix.models.text_to_image import TextToImage
from lexipix.training.bundles import load_network, tokenizer_of
from lexipix.utils.types import ModelBundle

_log = logging.getLogger(__name__)

Pixels = NDArray[np.uint8]


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
    expected = _in_batches(load(whole, REFERENCE), captions, noise)
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
        partial(load, network, engine),
        (captions[:1], noise[:1]),
        ([captions[row] for row in rows], noise[rows]),
        measurement,
    )
    row["size_mb"] = size_mb(network, engine)
    n_judged = len(captions) if len(captions) / row["images_per_s"] <= QUALITY_SECONDS else len(rows)
    drawn = _in_batches(draw, captions[:n_judged], noise[:n_judged])
    row["fidelity_psnr"] = float(psnr(drawn, expected[:n_judged]).mean())
    row["fidelity_ssim"] = float(ssim(drawn, expected[:n_judged]).mean())
    if n_judged == len(captions):
        row |= quality(drawn)
    return row


def _arithmetic(bundle: ModelBundle, captions: Sequence[str]) -> Row:
    """Number of weights, and MFLOP of reading a caption of mean length and drawing it."""
    module = load_network(bundle, TextToImage)
    tokenizer = tokenizer_of(bundle)
    lengths = [len(tokenizer.encode(caption).ids) for caption in captions]
    length = min(round(float(np.mean(lengths))), int(bundle.config["max_tokens"]))
    ids = torch.full((1, length), 5)
    with FlopCounterMode(display=False) as counter:  # without gradients torch fuses layers it cannot count
        module(ids, torch.zeros(1, _noise_width(bundle)))
    n_weights = sum(weight.numel() for weight in bundle.weights.values())
    return {"parameters": float(n_weights), "mflop": counter.get_total_flops() / MEGA}


def _in_batches(draw: Draw, prompts: Sequence[str], noise: NDArray[np.float32], size: int = 64) -> Pixels:
    starts = range(0, len(prompts), size)
    return np.concatenate(
        [draw(prompts[start : start + size], noise[start : start + size]) for start in starts]
    )


def _noise_width(bundle: ModelBundle) -> int:
    return int(bundle.config["network"]["prior"]["noise_dim"])


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
