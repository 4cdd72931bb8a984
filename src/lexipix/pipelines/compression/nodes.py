"""Steps of the compression."""

import logging
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lexipix.compression.captioner_variants import measure_captioner_variants
from lexipix.compression.champion import champion_pipeline, choose_family
from lexipix.compression.distillation import DistillationData, Distilled, distill, distill_text_encoder
from lexipix.compression.export import Exporter
from lexipix.compression.generator_variants import make_variants, measure_families
from lexipix.compression.nearest_words import nearest_words
from lexipix.compression.variants import Row
from lexipix.config.compression import CompressionParameters
from lexipix.config.ingestion import IngestionParameters
from lexipix.config.run import RunParameters
from lexipix.reporting.plots import frontier_figure
from lexipix.training.builders.common import PretrainedModels
from lexipix.utils.types import ImageSplits, ModelBundle, OnnxModel, OnnxPipeline

logger = logging.getLogger(__name__)

Student = tuple[ModelBundle, pd.DataFrame, dict[str, Any], NDArray[np.uint8]]


def export_generators(
    compression: CompressionParameters, image_splits: ImageSplits, prior: ModelBundle, gan: ModelBundle
) -> tuple[OnnxModel, OnnxModel]:
    """Exports both generators: the text prior with the VAE's decoder, and the GAN's generator."""
    exporter = Exporter(image_splits, compression.verification)
    return exporter.generator(prior), exporter.generator(gan)


def export_captioner(
    compression: CompressionParameters, image_splits: ImageSplits, captioner: ModelBundle
) -> OnnxModel:
    """Exports the captioner: a graph of the image encoder, and one of a decoding step."""
    return Exporter(image_splits, compression.verification).captioner(captioner)


def export_scorer(
    compression: CompressionParameters, image_splits: ImageSplits, contrastive_pair: ModelBundle
) -> OnnxModel:
    """Exports the encoders of the features stage, which score images against texts and images."""
    return Exporter(image_splits, compression.verification).contrastive_pair(contrastive_pair)


def find_nearest_words(
    compression: CompressionParameters, contrastive_pair: ModelBundle, pretrained_models: PretrainedModels
) -> dict[str, str]:
    """Maps words that occur in no caption to the nearest words that do; empty without a sentence encoder."""
    if compression.sentence_encoder is None:
        logger.info("words: compression.sentence_encoder is null, so that new words of a prompt are ignored")
        return {}
    encoder = pretrained_models.sentence_encoder(compression.sentence_encoder, "compression.sentence_encoder")
    found = nearest_words(encoder, contrastive_pair.config["known_words"])
    logger.info("words: %s words that no caption has are drawn as words of captions", f"{len(found):,}")
    return found


def measure_captioner(
    compression: CompressionParameters,
    run: RunParameters,
    ingestion: IngestionParameters,
    image_splits: ImageSplits,
    captioner: ModelBundle,
    onnx_captioner: OnnxModel,
) -> tuple[dict[str, OnnxModel], dict[str, Row], OnnxModel]:
    """Makes and measures the variants of the captioner, and chooses its champion."""
    return measure_captioner_variants(
        compression, run, ingestion.resize, image_splits, captioner, onnx_captioner
    )


def distill_small_text_encoder(
    compression: CompressionParameters, run: RunParameters, **data: Any
) -> Distilled:
    """Distills the text encoding of the chosen generator; ``data`` as for :class:`DistillationData`."""
    return distill_text_encoder(compression, run, DistillationData(**data))


def distill_small(
    compression: CompressionParameters, run: RunParameters, small_text_encoder: ModelBundle, **data: Any
) -> Student:
    """Distills the chosen generator into the small network; ``data`` as for :class:`DistillationData`."""
    return distill("small", compression, run, DistillationData(**data), small_text_encoder)


def distill_pruned(compression: CompressionParameters, run: RunParameters, **data: Any) -> Student:
    """Distills the chosen generator into its pruned network; ``data`` as for :class:`DistillationData`."""
    return distill("pruned", compression, run, DistillationData(**data))


def export_variants(
    compression: CompressionParameters,
    image_splits: ImageSplits,
    small: ModelBundle,
    pruned: ModelBundle,
    onnx_vae: OnnxModel,
    onnx_gan: OnnxModel,
) -> dict[str, OnnxModel]:
    """Makes the compressed variants of the chosen family that run without torch."""
    family = choose_family(compression.champion.family, onnx_vae.card, onnx_gan.card)
    baseline = {"vae": onnx_vae, "gan": onnx_gan}[family]
    return make_variants(compression, image_splits, baseline, {"pruned": pruned, "small": small})


def measure_generators(
    compression: CompressionParameters,
    run: RunParameters,
    image_splits: ImageSplits,
    contrastive_pair: ModelBundle,
    prior: ModelBundle,
    gan: ModelBundle,
    small: ModelBundle,
    pruned: ModelBundle,
    onnx_vae: OnnxModel,
    onnx_gan: OnnxModel,
    onnx_variants: dict[str, OnnxModel],
    onnx_scorer: OnnxModel,
    nearest_words: dict[str, str],
) -> tuple[dict[str, Any], OnnxPipeline, NDArray[np.uint8]]:
    """Measures the variants of both generators on this machine, and chooses the champion.

    Returns:
        The table of speeds, sizes and qualities, the champion, and a plot of quality over speed.
    """
    table, choice = measure_families(
        compression,
        run,
        image_splits,
        contrastive_pair,
        {"vae": (prior, onnx_vae), "gan": (gan, onnx_gan)},
        {"pruned": pruned, "small": small},
        onnx_variants,
    )
    baseline = {"vae": onnx_vae, "gan": onnx_gan}[choice["family"]]
    champion = champion_pipeline(choice, baseline, onnx_variants, onnx_scorer, nearest_words)
    rows = {name: row for name, row in table.items() if name != "champion"}
    return table, champion, frontier_figure(rows, f"{choice['family']}_{choice['variant']}")
