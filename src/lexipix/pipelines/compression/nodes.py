"""Steps of the compression."""

import logging
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lexipix.compression.champion import (
    FAMILIES,
    Family,
    choose_champion,
    choose_family,
    speed_table,
)
from lexipix.compression.distillation import lesson
from lexipix.compression.export import Exporter, Samples
from lexipix.compression.quality import TaskQuality
from lexipix.compression.quantization import quantized
from lexipix.compression.runtimes import Network
from lexipix.compression.timing import Row
from lexipix.compression.variants import as_lines, measure_forms, split_name
from lexipix.config.compression import NETWORKS, CompressionParameters
from lexipix.config.run import RunParameters
from lexipix.data.captioned import for_training
from lexipix.evaluation.embedding import Judge
from lexipix.reporting.plots import frontier_figure
from lexipix.utils.errors import LexipixError
from lexipix.utils.types import ImageSplits, ModelBundle, OnnxModel

_log = logging.getLogger(__name__)


def export_generators(
    compression: CompressionParameters, pictures: ImageSplits, prior: ModelBundle, gan: ModelBundle
) -> tuple[OnnxModel, OnnxModel]:
    """Both generators as ONNX: the text prior with the VAE's decoder, and the GAN's generator."""
    exporter = _exporter(compression, pictures)
    return exporter.text_to_image(prior), exporter.text_to_image(gan)


def export_captioner(
    compression: CompressionParameters, pictures: ImageSplits, captioner: ModelBundle
) -> OnnxModel:
    """The captioner as ONNX: a graph that sees, and one that writes a word."""
    return _exporter(compression, pictures).captioner(captioner)


def export_scorer(
    compression: CompressionParameters, pictures: ImageSplits, contrastive_pair: ModelBundle
) -> OnnxModel:
    """The features' image and text encoders as ONNX, which score a picture against words and pictures."""
    return _exporter(compression, pictures).contrastive_pair(contrastive_pair)


teach_small = lesson("small")
teach_pruned = lesson("pruned")


def make_forms(
    compression: CompressionParameters,
    pictures: ImageSplits,
    small: ModelBundle,
    pruned: ModelBundle,
    onnx_vae: OnnxModel,
    onnx_gan: OnnxModel,
    prior_figures: dict[str, Any],
    gan_figures: dict[str, Any],
) -> dict[str, OnnxModel]:
    """The forms of the chosen family that can be shipped beside the whole network, by variant."""
    family = choose_family(compression.champion.family, {"vae": prior_figures, "gan": gan_figures})
    exporter = _exporter(compression, pictures)
    captions = real_input(pictures, compression.verification.n_captions).captions
    wanted = [split_name(variant) for variant in compression.variants]
    forms: dict[str, OnnxModel] = {}
    for name in ("", *NETWORKS):
        engines = {engine for network, engine in wanted if network == name and engine.startswith("onnx_")}
        if not engines or (name == "" and engines == {"onnx_fp32"}):
            continue
        if name:
            whole = exporter.text_to_image({"pruned": pruned, "small": small}[name])
            forms[f"{name}_onnx_fp32"] = whole
        else:
            whole = {"vae": onnx_vae, "gan": onnx_gan}[family]
        if "onnx_int8" in engines:
            forms[f"{name}_onnx_int8".removeprefix("_")] = quantized(whole, captions)
    return forms


def measure_generators(
    compression: CompressionParameters,
    run: RunParameters,
    pictures: ImageSplits,
    contrastive_pair: ModelBundle,
    prior: ModelBundle,
    gan: ModelBundle,
    small: ModelBundle,
    pruned: ModelBundle,
    onnx_vae: OnnxModel,
    onnx_gan: OnnxModel,
    onnx_forms: dict[str, OnnxModel],
    prior_figures: dict[str, Any],
    gan_figures: dict[str, Any],
) -> tuple[dict[str, Any], dict[str, Any], NDArray[np.uint8]]:
    """Measure the forms of both generators on this machine, and choose the champion.

    Returns:
        The table of speeds, sizes and qualities, the champion, and a plot of quality over speed.
    """
    family = choose_family(compression.champion.family, {"vae": prior_figures, "gan": gan_figures})
    quality = _quality(compression, run, pictures, contrastive_pair)
    whole = {"vae": Network(prior, {"fp32": onnx_vae}), "gan": Network(gan, {"fp32": onnx_gan})}
    smaller = {"pruned": pruned, "small": small}
    tables: dict[Family, dict[str, Row]] = {}
    for one in FAMILIES:
        networks = {"": whole[one]}
        if one == family:
            networks[""] = _with_int8(whole[one], onnx_forms.get("onnx_int8"))
            for name, bundle in smaller.items():
                if f"{name}_onnx_fp32" in onnx_forms:
                    network = Network(bundle, {"fp32": onnx_forms[f"{name}_onnx_fp32"]})
                    networks[name] = _with_int8(network, onnx_forms.get(f"{name}_onnx_int8"))
        variants = [v for v in compression.variants if one == family or not v.endswith("int8")]
        tables[one] = measure_forms(networks, variants, quality, compression.measurement, run.threads)
        for line in as_lines(one, tables[one]):
            _log.info(line)
    champion = choose_champion(compression.champion, family, tables[family])
    _log.info("Champion: %s %s", champion["family"], champion["variant"])
    table = speed_table(tables, champion)
    name = f"{family}_{champion['variant']}"
    frontier = frontier_figure({key: row for key, row in table.items() if key != "champion"}, name)
    return table, champion, frontier


def real_input(pictures: ImageSplits, n_captions: int) -> Samples:
    """The first captions and pictures of the validation split; without captions there, of the training split.

    Raises:
        LexipixError: No picture has a caption.
    """
    for split in (pictures.val, pictures.train):
        captions = split.captions["caption"].dropna()
        if len(captions):
            images = np.array(split.images[: min(16, len(split))])
            return Samples([str(text) for text in captions[:n_captions]], images)
    raise LexipixError("No picture has a caption: the generators have no words to draw from; add captions.")


def _with_int8(network: Network, quantized: OnnxModel | None) -> Network:
    if quantized is None:
        return network
    return Network(network.bundle, {**network.exported, "int8": quantized})


def _quality(
    compression: CompressionParameters,
    run: RunParameters,
    pictures: ImageSplits,
    contrastive_pair: ModelBundle,
) -> TaskQuality:
    chosen = for_training(pictures.train, pictures.val, "compression")[1]
    n_images = min(len(chosen), compression.measurement.n_images)
    return TaskQuality(
        chosen.images,
        chosen.captions[:n_images],
        Judge(contrastive_pair, run, 250),
        pictures.summary.get("source") == "scenes",
        run.seed,
    )


def _exporter(compression: CompressionParameters, pictures: ImageSplits) -> Exporter:
    verification = compression.verification
    return Exporter(real_input(pictures, verification.n_captions), verification.max_difference)
