"""Steps of the compression."""

import logging
from typing import Any

import numpy as np

from lexipix.config.compression import CompressionParameters
from lexipix.config.run import RunParameters
from lexipix.errors import LexipixError
from lexipix.pipelines.compression.champion import Family, choose_champion, speed_table
from lexipix.pipelines.compression.export import Exporter, Samples
from lexipix.pipelines.compression.variants import as_lines, measure_variants
from lexipix.records import ModelBundle, OnnxModel, Pictures

_log = logging.getLogger(__name__)


def export_generators(
    compression: CompressionParameters, pictures: Pictures, prior: ModelBundle, gan: ModelBundle
) -> tuple[OnnxModel, OnnxModel]:
    """Both generators as ONNX: the text prior with the VAE's decoder, and the GAN's generator."""
    exporter = _exporter(compression, pictures)
    return exporter.text_to_image(prior), exporter.text_to_image(gan)


def export_captioner(
    compression: CompressionParameters, pictures: Pictures, captioner: ModelBundle
) -> OnnxModel:
    """The captioner as ONNX: a graph that sees, and one that writes a word."""
    return _exporter(compression, pictures).captioner(captioner)


def export_scorer(
    compression: CompressionParameters, pictures: Pictures, contrastive_pair: ModelBundle
) -> OnnxModel:
    """The features' image and text encoders as ONNX, which score a picture against words and pictures."""
    return _exporter(compression, pictures).contrastive_pair(contrastive_pair)


def measure_generators(
    compression: CompressionParameters,
    run: RunParameters,
    pictures: Pictures,
    prior: ModelBundle,
    gan: ModelBundle,
    onnx_vae: OnnxModel,
    onnx_gan: OnnxModel,
    prior_figures: dict[str, Any],
    gan_figures: dict[str, Any],
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Measure every form of both generators on this machine, and choose the champion.

    Returns:
        The table of speeds and sizes, and the champion.
    """
    captions = real_input(pictures, compression.verification.n_captions).captions
    generators: dict[Family, tuple[ModelBundle, OnnxModel]] = {
        "vae": (prior, onnx_vae),
        "gan": (gan, onnx_gan),
    }
    tables: dict[Family, dict[str, dict[str, float]]] = {}
    for family, (bundle, exported) in generators.items():
        tables[family] = measure_variants(
            bundle, exported, compression.variants, captions, compression.measurement, run.threads
        )
        for line in as_lines(family, tables[family]):
            _log.info(line)
    champion = choose_champion(compression.champion, tables, {"vae": prior_figures, "gan": gan_figures})
    _log.info("Champion: %s %s", champion["family"], champion["variant"])
    return speed_table(tables, champion), champion


def real_input(pictures: Pictures, n_captions: int) -> Samples:
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


def _exporter(compression: CompressionParameters, pictures: Pictures) -> Exporter:
    verification = compression.verification
    return Exporter(real_input(pictures, verification.n_captions), verification.max_difference)
