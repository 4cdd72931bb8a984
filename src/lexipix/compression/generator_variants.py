"""All variants of both generators: which are made, measured, and chosen."""

import logging
from collections.abc import Mapping
from typing import Any

import numpy as np

from lexipix.compression.champion import FAMILIES, Family, choose_champion, choose_family, speed_table
from lexipix.compression.export import Exporter, Samples
from lexipix.compression.quality import TaskQuality
from lexipix.compression.quantization import quantize_generator
from lexipix.compression.runtimes import Network
from lexipix.compression.timing import Row
from lexipix.compression.variants import as_lines, measure_variants, split_name
from lexipix.config.compression import NETWORKS, CompressionParameters
from lexipix.config.run import RunParameters
from lexipix.data.captioned import for_training
from lexipix.evaluation.caption_metrics import is_scenes
from lexipix.evaluation.embedding import Embedder
from lexipix.utils.errors import LexipixError
from lexipix.utils.types import ImageSplits, ModelBundle, OnnxModel

_log = logging.getLogger(__name__)

VERIFICATION_IMAGES = 16
EMBEDDING_BATCH = 250


def make_exporter(compression: CompressionParameters, pictures: ImageSplits) -> Exporter:
    """Returns the exporter, which verifies graphs on real captions and images."""
    verification = compression.verification
    return Exporter(real_samples(pictures, verification.n_captions), verification.max_difference)


def real_samples(pictures: ImageSplits, n_captions: int) -> Samples:
    """Returns the first captions and images of the validation split, or of the training split without any.

    Raises:
        LexipixError: No image has a caption.
    """
    for split in (pictures.val, pictures.train):
        captions = split.captions["caption"].dropna()
        if len(captions):
            images = np.array(split.images[: min(VERIFICATION_IMAGES, len(split))])
            return Samples([str(text) for text in captions[:n_captions]], images)
    raise LexipixError("No picture has a caption, and the generators need some to draw from: add captions.")


def make_variants(
    compression: CompressionParameters,
    pictures: ImageSplits,
    baseline: OnnxModel,
    smaller: Mapping[str, ModelBundle],
) -> dict[str, OnnxModel]:
    """Returns the compressed variants of a generator that run without torch, by name.

    Args:
        compression: Names the variants.
        pictures: Give real input for verification and calibration.
        baseline: The exported generator in fp32.
        smaller: Its pruned and its small network.
    """
    exporter = make_exporter(compression, pictures)
    captions = real_samples(pictures, compression.verification.n_captions).captions
    wanted = [split_name(variant) for variant in compression.variants]
    variants: dict[str, OnnxModel] = {}
    for name in ("", *NETWORKS):
        runtimes = {runtime for network, runtime in wanted if network == name and runtime.startswith("onnx_")}
        if not runtimes or (name == "" and runtimes == {"onnx_fp32"}):
            continue
        model = baseline
        if name:
            model = variants[f"{name}_onnx_fp32"] = exporter.text_to_image(smaller[name])
        if "onnx_int8" in runtimes:
            variants[f"{name}_onnx_int8".removeprefix("_")] = quantize_generator(model, captions)
    return variants


def measure_families(
    compression: CompressionParameters,
    quality: TaskQuality,
    baselines: Mapping[Family, Network],
    family: Family,
    smaller: Mapping[str, ModelBundle],
    variants: Mapping[str, OnnxModel],
    threads: int,
) -> tuple[dict[str, dict[str, float]], dict[str, Any]]:
    """Measures the variants of both generators and chooses the champion.

    Args:
        compression: Names the variants, and the gates.
        quality: Measures images of validation captions.
        baselines: The uncompressed generators with their exports in fp32.
        family: The chosen one, the only one with smaller networks and in int8.
        smaller: Its pruned and its small network.
        variants: As :func:`make_variants` returns them.
        threads: 0 takes all cores.

    Returns:
        See :func:`.champion.speed_table` and :func:`.champion.choose_champion`.
    """
    tables: dict[Family, dict[str, Row]] = {}
    for one in FAMILIES:
        networks = {"": baselines[one]}
        if one == family:
            networks[""] = _with_int8(baselines[one], variants.get("onnx_int8"))
            for name, bundle in smaller.items():
                if f"{name}_onnx_fp32" in variants:
                    network = Network(bundle, {"fp32": variants[f"{name}_onnx_fp32"]})
                    networks[name] = _with_int8(network, variants.get(f"{name}_onnx_int8"))
        names = [name for name in compression.variants if one == family or not name.endswith("int8")]
        tables[one] = measure_variants(networks, names, quality, compression.measurement, threads)
        for line in as_lines(one, tables[one]):
            _log.info(line)
    champion = choose_champion(compression.champion, family, tables[family])
    _log.info("Champion: %s %s", champion["family"], champion["variant"])
    return speed_table(tables, champion), champion


def make_quality(
    compression: CompressionParameters,
    run: RunParameters,
    pictures: ImageSplits,
    contrastive_pair: ModelBundle,
) -> TaskQuality:
    """Returns what measures images of validation captions with the encoders of the features stage."""
    validation = for_training(pictures.train, pictures.val, "compression")[1]
    captions = validation.captions[: compression.measurement.n_images]
    embedder = Embedder(contrastive_pair, run, EMBEDDING_BATCH)
    return TaskQuality(validation.images, captions, embedder, is_scenes(pictures.summary), run.seed)


def chosen_family(
    compression: CompressionParameters, prior_metrics: dict[str, Any], gan_metrics: dict[str, Any]
) -> Family:
    """Returns the family of the champion."""
    return choose_family(compression.champion.family, {"vae": prior_metrics, "gan": gan_metrics})


def _with_int8(network: Network, quantized: OnnxModel | None) -> Network:
    return network if quantized is None else Network(network.bundle, {**network.exported, "int8": quantized})
