"""All variants of both generators: which are made, measured from prompts to pixels, and chosen."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from lexipix.compression.champion import FAMILIES, Family, choose_champion, choose_family, speed_table
from lexipix.compression.export import Exporter
from lexipix.compression.quality import TaskQuality
from lexipix.compression.quantization import quantize_generator
from lexipix.compression.runtimes import REFERENCE, Generate, load_generator
from lexipix.compression.variants import Row, arithmetic, in_batches, measure_variants, size_mb, split_name
from lexipix.config.compression import NETWORKS, CompressionParameters, MeasurementParameters
from lexipix.config.run import RunParameters
from lexipix.data.tokenization import pad_id
from lexipix.metrics.images import psnr, ssim
from lexipix.models.retrieval_to_image import RetrievalToImage
from lexipix.models.text_to_image import TextToImage
from lexipix.training.bundles import load_network, token_ids, tokenizer_of
from lexipix.utils.types import BASELINE, ImageSplits, ModelBundle, OnnxModel


def make_variants(
    compression: CompressionParameters,
    image_splits: ImageSplits,
    baseline: OnnxModel,
    smaller: Mapping[str, ModelBundle],
) -> dict[str, OnnxModel]:
    """Returns the compressed variants of a generator that run without torch, by name.

    ``baseline`` is the exported generator in fp32, ``smaller`` its pruned and its small network. Real input
    for verification and calibration comes from ``image_splits``.
    """
    exporter = Exporter(image_splits, compression.verification)
    wanted = [split_name(variant) for variant in compression.variants]
    variants: dict[str, OnnxModel] = {}
    for name in ("", *NETWORKS):
        runtimes = {runtime for network, runtime in wanted if network == name and "torch_" not in runtime}
        model = baseline
        if name and runtimes:
            model = variants[f"{name}_{BASELINE}"] = exporter.generator(smaller[name])
        if "onnx_int8" in runtimes:
            variants[f"{name}_onnx_int8".removeprefix("_")] = quantize_generator(model, exporter.captions)
    return variants


def measure_families(
    compression: CompressionParameters,
    run: RunParameters,
    image_splits: ImageSplits,
    contrastive_pair: ModelBundle,
    baselines: Mapping[Family, tuple[ModelBundle, OnnxModel]],
    smaller: Mapping[str, ModelBundle],
    variants: Mapping[str, OnnxModel],
) -> tuple[dict[str, dict[str, float]], dict[str, Any]]:
    """Measures the variants of both generators and chooses the champion.

    ``baselines`` are the uncompressed generators with their exports in fp32. Only the chosen family has
    smaller networks, and variants in int8 (``variants``, as :func:`make_variants` returns them).

    Returns:
        See :func:`.champion.speed_table` and :func:`.champion.choose_champion`. The metrics are those of
        :func:`measure_variants`, ``size_mb``, ``fidelity_psnr`` and ``fidelity_ssim`` (means over captions),
        those of :class:`TaskQuality`, ``parameters``, and ``mflop`` of one image.
    """
    quality = TaskQuality(image_splits, compression.measurement.n_images, contrastive_pair, run)
    if run.threads:
        torch.set_num_threads(run.threads)
    family = choose_family(compression.champion.family, *(baselines[one][0].card for one in FAMILIES))
    tables: dict[Family, dict[str, Row]] = {}
    for one in FAMILIES:
        bundle, onnx_model = baselines[one]
        networks, exported, names = {"": bundle}, {BASELINE: onnx_model}, list(compression.variants)
        if one == family:
            networks, exported = {**networks, **smaller}, {**exported, **variants}
        else:
            names = [name for name in names if not split_name(name)[0] and not name.endswith("int8")]
        tables[one] = _measure(one, names, networks, exported, quality, compression.measurement)
    champion = choose_champion(compression.champion, family, tables[family])
    return speed_table(tables, champion), champion


def _measure(
    family: Family,
    variants: list[str],
    networks: Mapping[str, ModelBundle],
    exported: Mapping[str, OnnxModel],
    quality: TaskQuality,
    measurement: MeasurementParameters,
) -> dict[str, Row]:
    """Variant -> metrics, from prompts to pixels; fidelity is to the uncompressed network in torch."""
    captions = quality.captions
    noise_dim = int(networks[""].config["noise_dim"])
    noise = np.random.default_rng(0).standard_normal((len(captions), noise_dim), np.float32)
    expected = np.stack(in_batches(load_generator(REFERENCE, networks[""]), (captions, noise)))
    models = {variant: exported.get(variant.replace("openvino_", "onnx_")) for variant in variants}
    names = {split_name(variant)[0] for variant in variants}
    costs = {name: _arithmetic(networks[name], captions, noise_dim) for name in names}

    def load(variant: str) -> Generate:
        name, runtime = split_name(variant)
        return load_generator(runtime, networks[name], models[variant])

    def describe(variant: str, images: list[Any]) -> Row:
        name, drawn = split_name(variant)[0], np.stack(images)
        row = {
            "size_mb": size_mb(variant, networks[name], models[variant]),
            "fidelity_psnr": float(psnr(drawn, expected[: len(drawn)]).mean()),
            "fidelity_ssim": float(ssim(drawn, expected[: len(drawn)]).mean()),
        }
        measured = quality(drawn) if len(drawn) == len(captions) else {}
        return row | measured | costs[name]

    return measure_variants(family, variants, load, describe, (captions, noise), measurement)


def _arithmetic(bundle: ModelBundle, captions: list[str], noise_dim: int) -> Row:
    """Number of weights, and MFLOP of an image of a caption of mean length."""
    module = load_network(bundle, TextToImage, RetrievalToImage)
    lengths = (token_ids(bundle, captions) != pad_id(tokenizer_of(bundle))).sum(1)
    length = round(float(lengths.double().mean()))
    # With gradients: without them torch fuses layers that it cannot count
    return arithmetic(bundle, lambda: module(torch.full((1, length), 5), torch.zeros(1, noise_dim)))
