"""Variants of the captioner, measured from images to captions: speed, size, quality."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.flop_counter import FlopCounterMode

from lexipix.compression.champion import fastest, given_variant, require_baseline
from lexipix.compression.export import Unavailable, megabytes
from lexipix.compression.quality import quality_loss
from lexipix.compression.quantization import quantize_captioner
from lexipix.compression.runtimes import MEGA, REFERENCE, weights_mb
from lexipix.compression.timing import QUALITY_SECONDS, Row, time_variant
from lexipix.config.compression import ChampionParameters, CompressionParameters
from lexipix.config.ingestion import ResizeParameters
from lexipix.config.run import RunParameters
from lexipix.data.images import normalize
from lexipix.data.tokenization import decode
from lexipix.evaluation.caption_metrics import is_scenes, measure_captions
from lexipix.inference.onnx_captioner import OnnxCaptioner
from lexipix.models.captioner import Captioner
from lexipix.training.bundles import load_network, tokenizer_of
from lexipix.training.precision import put_channels_last
from lexipix.utils.types import BASELINE, ImageSplits, ModelBundle, OnnxModel

_log = logging.getLogger(__name__)

N_CALIBRATION = 128
# Metrics whose loss is limited, if images have captions
GATED = ("bleu4", "attribute_f1")
INT8 = "onnx_int8"

Pixels = NDArray[np.uint8]
# Images, uint8 (N, S, S, 3), to N captions
Caption = Callable[[Pixels], list[str]]


def measure_captioner_variants(
    compression: CompressionParameters,
    run: RunParameters,
    resize: ResizeParameters,
    pictures: ImageSplits,
    captioner: ModelBundle,
    onnx_captioner: OnnxModel,
) -> tuple[dict[str, OnnxModel], dict[str, Row], OnnxModel]:
    """Makes and measures the variants of the captioner on this machine, and chooses the champion.

    Returns:
        The compressed variants that run without torch, by name; a table, variant -> metrics, also of the
        ``champion``: :func:`.timing.time_variant` with ``size_mb``, ``parameters``, ``mflop``
        (of an image and its caption), ``agreement`` (share of validation images with the same caption as by
        the uncompressed captioner in fp32), and, if these have captions, :func:`measure_captions`; and the
        champion, whose configuration has ``variant``, ``max_quality_loss`` and ``figures`` as well, and
        ``resize``, with which images are resized for it.
    """
    if run.threads:
        torch.set_num_threads(run.threads)
    measurement, exported = compression.measurement, {BASELINE: onnx_captioner}
    split = pictures.val if len(pictures.val) else pictures.train
    n_images = min(len(split), measurement.n_images)
    images, truth = np.array(split.images[:n_images]), split.captions.iloc[:n_images]
    batch = images[np.arange(measurement.batch_size) % n_images]
    expected = _in_batches(_with_torch(captioner, REFERENCE), images)
    cost = _cost(captioner, images[:1])
    table: dict[str, Row] = {}
    for variant in compression.captioner_variants:
        try:
            if variant == INT8:
                calibration = np.array(pictures.train.images[:N_CALIBRATION])
                exported[INT8] = quantize_captioner(onnx_captioner, calibration)
        except Unavailable as reason:
            _log.warning("the captioner's %s is skipped: %s", variant, reason)
            continue
        caption, row = time_variant(
            partial(_load_variant, variant, captioner, exported), (images[:1],), (batch,), measurement
        )
        in_time = n_images / row["images_per_s"] <= QUALITY_SECONDS
        n_measured = n_images if in_time else min(n_images, len(batch))
        written = _in_batches(caption, images[:n_measured])
        row["size_mb"] = _size_mb(variant, captioner, exported)
        row["agreement"] = float(np.mean([a == b for a, b in zip(written, expected, strict=False)]))
        if n_measured == n_images:
            row |= measure_captions(written, truth, scenes=is_scenes(pictures.summary))
        table[variant] = row | cost
        _log.info(
            "captioner %s: %s pictures/s, %.1f ms for one, %.1f MB, %.1f %% the same captions",
            variant, f"{row['images_per_s']:,.0f}", row["latency_p50_ms"], row["size_mb"],
            100 * row["agreement"],
        )  # fmt: skip
    champion = choose_captioner(compression.champion, table)
    _log.info("Champion of the captioner's variants: %s", champion["variant"])
    variants = {name: model for name, model in exported.items() if name != BASELINE}
    model = exported[champion["variant"]]
    model = replace(model, config={**model.config, **champion, "resize": resize.model_dump(mode="json")})
    return variants, {"champion": champion["figures"], **table}, model


def choose_captioner(parameters: ChampionParameters, table: Mapping[str, Row]) -> dict[str, Any]:
    """Chooses the given variant, or the fastest in batches whose quality loss is within the gate.

    Without given captions the loss is the share of images with another caption than by the baseline.

    Raises:
        LexipixError: The baseline, or the given variant, is not in the table.
    """
    baseline = require_baseline(table, "compression.captioner_variants")
    gate = parameters.max_quality_loss

    def loss(row: Mapping[str, float]) -> float:
        if any(key in baseline for key in GATED):
            return quality_loss(row, baseline, GATED)
        return 1 - row["agreement"]

    variant = given_variant(table, parameters.captioner_variant, "captioner_variant")
    variant = variant or fastest(table, loss, gate)
    return {"variant": variant, "max_quality_loss": gate, "figures": dict(table[variant])}


def _load_variant(variant: str, captioner: ModelBundle, exported: Mapping[str, OnnxModel]) -> Caption:
    if variant.startswith("torch_"):
        return _with_torch(captioner, variant)
    return OnnxCaptioner(exported[variant]).caption


def _with_torch(captioner: ModelBundle, runtime: str) -> Caption:
    dtype = torch.bfloat16 if runtime == "torch_bf16" else torch.float32
    network = _load(captioner).to(dtype)
    if runtime != REFERENCE:
        put_channels_last(network)
    tokenizer, max_tokens = tokenizer_of(captioner), int(captioner.config["max_tokens"])

    @torch.inference_mode()
    def caption(images: Pixels) -> list[str]:
        ids = network.generate(normalize(torch.from_numpy(images)).to(dtype), max_tokens)
        return decode(tokenizer, ids.numpy())

    return caption


def _load(captioner: ModelBundle) -> Captioner:
    return load_network(captioner, Captioner)


def _size_mb(variant: str, captioner: ModelBundle, exported: Mapping[str, OnnxModel]) -> float:
    if variant in exported:
        return megabytes(*exported[variant].graphs.values())
    return weights_mb(captioner, variant)


def _cost(captioner: ModelBundle, image: Pixels) -> Row:
    """Number of weights, and MFLOP of an image and its caption."""
    network = _load(captioner).requires_grad_(False)  # the counter does not work with gradients
    with FlopCounterMode(display=False) as counter:
        network.generate(normalize(torch.from_numpy(image)), int(captioner.config["max_tokens"]))
    n_weights = sum(weight.numel() for weight in captioner.weights.values())
    return {"parameters": float(n_weights), "mflop": counter.get_total_flops() / MEGA}


def _in_batches(caption: Caption, images: Pixels, size: int = 64) -> list[str]:
    starts = range(0, len(images), size)
    return [text for start in starts for text in caption(images[start : start + size])]
