"""Variants of the captioner, measured from images to captions: speed, size, quality."""

import logging
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from lexipix.compression.champion import choose_variant
from lexipix.compression.export import Unavailable
from lexipix.compression.quantization import quantize_captioner
from lexipix.compression.runtimes import REFERENCE, torch_network
from lexipix.compression.variants import Apply, Pixels, Row, arithmetic, in_batches, measure_variants, size_mb
from lexipix.config.compression import ChampionParameters, CompressionParameters
from lexipix.config.ingestion import ResizeParameters
from lexipix.config.run import RunParameters
from lexipix.data.images import normalize
from lexipix.data.tokenization import decode
from lexipix.evaluation.caption_metrics import is_scenes, measure_captions
from lexipix.inference.onnx_captioner import OnnxCaptioner
from lexipix.models.captioner import Captioner
from lexipix.training.bundles import load_network, tokenizer_of
from lexipix.utils.types import BASELINE, ImageSplits, ModelBundle, OnnxModel

_log = logging.getLogger(__name__)

N_CALIBRATION = 128
# Metrics whose loss is limited, if images have captions
GATED = ("bleu4", "attribute_f1")
INT8 = "onnx_int8"


def measure_captioner_variants(
    compression: CompressionParameters,
    run: RunParameters,
    resize: ResizeParameters,
    image_splits: ImageSplits,
    captioner: ModelBundle,
    onnx_captioner: OnnxModel,
) -> tuple[dict[str, OnnxModel], dict[str, Row], OnnxModel]:
    """Makes and measures the variants of the captioner, and chooses the champion.

    Returns:
        The compressed variants that run without torch, by name. A table, variant -> metrics, also of the
        ``champion``: those of :func:`measure_variants`, ``size_mb``, ``agreement`` (share of validation
        images with the same caption as by the uncompressed captioner in fp32), those of
        :func:`measure_captions` if the images have captions, ``parameters``, and ``mflop`` of an image and
        its caption. The champion, whose configuration also has ``variant``, ``max_quality_loss``,
        ``metrics`` and ``resize``.
    """
    if run.threads:
        torch.set_num_threads(run.threads)
    variants, exported = list(compression.captioner_variants), {BASELINE: onnx_captioner}
    if INT8 in variants:
        try:
            calibration = np.array(image_splits.train.images[:N_CALIBRATION])
            exported[INT8] = quantize_captioner(onnx_captioner, calibration)
        except Unavailable as reason:
            _log.warning("the captioner's %s is skipped: %s", INT8, reason)
            variants.remove(INT8)
    split = image_splits.val if len(image_splits.val) else image_splits.train
    n_images = min(len(split), compression.measurement.n_images)
    images, truth = np.array(split.images[:n_images]), split.captions.iloc[:n_images]
    expected = in_batches(_with_torch(captioner, REFERENCE), (images,))
    network = load_network(captioner, Captioner).requires_grad_(False)  # the counter needs that here
    image, max_tokens = normalize(torch.from_numpy(images[:1])), int(captioner.config["max_tokens"])
    cost = arithmetic(captioner, lambda: network.generate(image, max_tokens))

    def load(variant: str) -> Apply:
        if variant in exported:
            return OnnxCaptioner(exported[variant]).caption
        return _with_torch(captioner, variant)

    def describe(variant: str, written: list[str]) -> Row:
        same = [a == b for a, b in zip(written, expected, strict=False)]
        row = {
            "size_mb": size_mb(variant, captioner, exported.get(variant)),
            "agreement": float(np.mean(same)),
        }
        if len(written) == n_images:
            row |= measure_captions(written, truth, scenes=is_scenes(image_splits.summary))
        return row | cost

    table = measure_variants("captioner", variants, load, describe, (images,), compression.measurement)
    champion = choose_captioner(compression.champion, table)
    model = exported[champion["variant"]]
    model = replace(model, config={**model.config, **champion, "resize": resize.model_dump(mode="json")})
    del exported[BASELINE]
    return exported, {"champion": champion["metrics"], **table}, model


def choose_captioner(parameters: ChampionParameters, table: Mapping[str, Row]) -> dict[str, Any]:
    """Chooses the champion's variant by :func:`choose_variant`.

    Without given captions the loss is that of the share of images with the same caption.
    """
    gated = [key for key in GATED if key in table.get(BASELINE, {})] or ["agreement"]
    gate = parameters.max_quality_loss
    variant = choose_variant(table, "captioner_variant", parameters.captioner_variant, gate, gated)
    return {"variant": variant, "max_quality_loss": gate, "metrics": dict(table[variant])}


def _with_torch(captioner: ModelBundle, runtime: str) -> Apply:
    network, dtype = torch_network(captioner, runtime, Captioner)
    tokenizer, max_tokens = tokenizer_of(captioner), int(captioner.config["max_tokens"])

    @torch.inference_mode()
    def caption(images: Pixels) -> list[str]:
        ids = network.generate(normalize(torch.from_numpy(images)).to(dtype), max_tokens)
        return decode(tokenizer, ids.numpy())

    return caption
