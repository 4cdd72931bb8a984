"""The captioner in several forms, each measured from pictures to captions: speed, size, quality."""

import logging
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.flop_counter import FlopCounterMode

from lexipix.compression.champion import fastest, require_whole, wished
from lexipix.compression.export import Unavailable, megabytes
from lexipix.compression.quality import quality_loss
from lexipix.compression.quantization import quantized_captioner
from lexipix.compression.runtimes import MEGA, REFERENCE, weights_mb
from lexipix.compression.timing import QUALITY_SECONDS, Row, timed
from lexipix.config.compression import ChampionParameters, CompressionParameters
from lexipix.config.run import RunParameters
from lexipix.data.images import normalize
from lexipix.data.tokenization import decode
from lexipix.evaluation.caption_scores import is_scenes, score
from lexipix.inference.onnx_models import OnnxCaptioner
from lexipix.inference.selection import WHOLE
from lexipix.models.captioner import Captioner
from lexipix.training.bundles import load_network, tokenizer_of
from lexipix.training.precision import put_channels_last
from lexipix.utils.types import ImageSplits, ModelBundle, OnnxModel

_log = logging.getLogger(__name__)

N_CALIBRATION = 128
# What a form may lose a share of, where pictures have captions
GATED = ("bleu4", "attribute_f1")
INT8 = "onnx_int8"

Pixels = NDArray[np.uint8]
# Pictures, uint8 (N, S, S, 3), to N captions
Describe = Callable[[Pixels], list[str]]


def measure_captioner(
    compression: CompressionParameters,
    run: RunParameters,
    pictures: ImageSplits,
    captioner: ModelBundle,
    onnx_captioner: OnnxModel,
) -> tuple[dict[str, OnnxModel], dict[str, Row], dict[str, Any]]:
    """Make and measure the forms of the captioner on this machine, and choose the one that is used.

    Returns:
        The forms that can be shipped beside the whole captioner, by variant; the table, variant -> figures,
        with those of the champion once more as ``champion``: those of
        ``timing.timed`` with ``size_mb``, ``parameters``, ``mflop`` (of a picture and its caption),
        ``agreement`` (share of validation pictures that it describes word for word as the whole captioner in
        fp32 does), and, where these have captions, the figures of ``captioner.scores.score``; and the
        champion: ``variant``, ``max_quality_loss``, ``figures``.
    """
    if run.threads:
        torch.set_num_threads(run.threads)
    measurement, exported = compression.measurement, {WHOLE: onnx_captioner}
    split = pictures.val if len(pictures.val) else pictures.train
    n_images = min(len(split), measurement.n_images)
    images, truth = np.array(split.images[:n_images]), split.captions.iloc[:n_images]
    batch = images[np.arange(measurement.batch_size) % n_images]
    expected = _in_batches(_with_torch(captioner, REFERENCE), images)
    arithmetic = _arithmetic(captioner, images[:1])
    table: dict[str, Row] = {}
    for variant in compression.captioner_variants:
        try:
            if variant == INT8:
                seen = np.array(pictures.train.images[:N_CALIBRATION])
                exported[INT8] = quantized_captioner(onnx_captioner, seen)
        except Unavailable as reason:
            _log.warning("the captioner's %s is left out: %s", variant, reason)
            continue
        describe, row = timed(
            partial(_engine, variant, captioner, exported), (images[:1],), (batch,), measurement
        )
        in_time = n_images / row["images_per_s"] <= QUALITY_SECONDS
        n_judged = n_images if in_time else min(n_images, len(batch))
        written = _in_batches(describe, images[:n_judged])
        row["size_mb"] = _size_mb(variant, captioner, exported)
        row["agreement"] = float(np.mean([a == b for a, b in zip(written, expected, strict=False)]))
        if n_judged == n_images:
            row |= score(written, truth, scenes=is_scenes(pictures.summary))
        table[variant] = row | arithmetic
        _log.info(
            "captioner %s: %s pictures/s, %.1f ms for one, %.1f MB, %.1f %% the same captions",
            variant, f"{row['images_per_s']:,.0f}", row["latency_p50_ms"], row["size_mb"],
            100 * row["agreement"],
        )  # fmt: skip
    champion = choose_captioner(compression.champion, table)
    _log.info("Champion of the captioner's forms: %s", champion["variant"])
    forms = {name: model for name, model in exported.items() if name != WHOLE}
    return forms, {"champion": champion["figures"], **table}, champion


def choose_captioner(parameters: ChampionParameters, table: Mapping[str, Row]) -> dict[str, Any]:
    """The form that is wished, or the fastest, in batches, that loses at most what the gate allows.

    Without captions to hold it against a form may describe as large a share of pictures otherwise.

    Raises:
        LexipixError: The whole captioner, or the form that is wished, is not among the variants.
    """
    whole = require_whole(table, "compression.captioner_variants")
    gate = parameters.max_quality_loss

    def loss(row: Mapping[str, float]) -> float:
        if any(key in whole for key in GATED):
            return quality_loss(row, whole, GATED)
        return 1 - row["agreement"]

    variant = wished(table, parameters.captioner_variant, "captioner_variant")
    variant = variant or fastest(table, loss, gate)
    return {"variant": variant, "max_quality_loss": gate, "figures": dict(table[variant])}


def _engine(variant: str, captioner: ModelBundle, exported: Mapping[str, OnnxModel]) -> Describe:
    if variant.startswith("torch_"):
        return _with_torch(captioner, variant)
    return OnnxCaptioner(exported[variant]).caption


def _with_torch(captioner: ModelBundle, engine: str) -> Describe:
    dtype = torch.bfloat16 if engine == "torch_bf16" else torch.float32
    network = _load(captioner).to(dtype)
    if engine != REFERENCE:
        put_channels_last(network)
    tokenizer, max_tokens = tokenizer_of(captioner), int(captioner.config["max_tokens"])

    @torch.inference_mode()
    def describe(images: Pixels) -> list[str]:
        ids = network.generate(normalize(torch.from_numpy(images)).to(dtype), max_tokens)
        return decode(tokenizer, ids.numpy())

    return describe


def _load(captioner: ModelBundle) -> Captioner:
    network = load_network(captioner)
    assert isinstance(network, Captioner)
    return network


def _size_mb(variant: str, captioner: ModelBundle, exported: Mapping[str, OnnxModel]) -> float:
    if variant in exported:
        return megabytes(*exported[variant].graphs.values())
    return weights_mb(captioner, variant)


def _arithmetic(captioner: ModelBundle, image: Pixels) -> Row:
    """Number of weights, and MFLOP of a picture and its caption."""
    network = _load(captioner).requires_grad_(False)  # gradients come in the counter's way
    with FlopCounterMode(display=False) as counter:
        network.generate(normalize(torch.from_numpy(image)), int(captioner.config["max_tokens"]))
    n_weights = sum(weight.numel() for weight in captioner.weights.values())
    return {"parameters": float(n_weights), "mflop": counter.get_total_flops() / MEGA}


def _in_batches(describe: Describe, images: Pixels, size: int = 64) -> list[str]:
    starts = range(0, len(images), size)
    return [text for start in starts for text in describe(images[start : start + size])]
