"""Steps of the compression."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lexipix.compression.captioner_variants import measure_captioner_variants
from lexipix.compression.champion import champion_pipeline
from lexipix.compression.distillation import choose_teacher, distill, distill_text_encoder
from lexipix.compression.generator_variants import (
    chosen_family,
    make_exporter,
    make_quality,
    make_variants,
    measure_families,
)
from lexipix.compression.runtimes import Network
from lexipix.compression.timing import Row
from lexipix.config.compression import CompressionParameters
from lexipix.config.ingestion import IngestionParameters
from lexipix.config.run import RunParameters
from lexipix.reporting.plots import frontier_figure
from lexipix.utils.types import (
    CheckpointStore,
    ImageSplits,
    MetricStream,
    ModelBundle,
    OnnxModel,
    OnnxPipeline,
)


def export_generators(
    compression: CompressionParameters, pictures: ImageSplits, prior: ModelBundle, gan: ModelBundle
) -> tuple[OnnxModel, OnnxModel]:
    """Exports both generators: the text prior with the VAE's decoder, and the GAN's generator."""
    exporter = make_exporter(compression, pictures)
    return exporter.text_to_image(prior), exporter.text_to_image(gan)


def export_captioner(
    compression: CompressionParameters, pictures: ImageSplits, captioner: ModelBundle
) -> OnnxModel:
    """Exports the captioner: a graph of the image encoder, and one of a decoding step."""
    return make_exporter(compression, pictures).captioner(captioner)


def export_scorer(
    compression: CompressionParameters, pictures: ImageSplits, contrastive_pair: ModelBundle
) -> OnnxModel:
    """Exports the encoders of the features stage, which score images against texts and images."""
    return make_exporter(compression, pictures).contrastive_pair(contrastive_pair)


def measure_captioner(
    compression: CompressionParameters,
    run: RunParameters,
    ingestion: IngestionParameters,
    pictures: ImageSplits,
    captioner: ModelBundle,
    onnx_captioner: OnnxModel,
) -> tuple[dict[str, OnnxModel], dict[str, Row], OnnxModel]:
    """Makes and measures the variants of the captioner, and chooses its champion."""
    return measure_captioner_variants(compression, run, ingestion.resize, pictures, captioner, onnx_captioner)


def distill_reader(
    compression: CompressionParameters,
    run: RunParameters,
    pictures: ImageSplits,
    captions_complete: pd.DataFrame,
    prior: ModelBundle,
    gan: ModelBundle,
    prior_metrics: dict[str, Any],
    gan_metrics: dict[str, Any],
    prior_primary_caption_prob: float,
    gan_primary_caption_prob: float,
    stream: MetricStream,
    checkpoints: CheckpointStore,
) -> tuple[ModelBundle, pd.DataFrame, dict[str, Any]]:
    """Distill the text encoding of the chosen family's generator; see :func:`distill_text_encoder`."""
    probs = prior_primary_caption_prob, gan_primary_caption_prob
    teacher = choose_teacher(compression.champion.family, prior, gan, prior_metrics, gan_metrics, *probs)
    data = pictures, captions_complete
    return distill_text_encoder(compression, run, *data, teacher, stream, checkpoints)


def distill_small(
    compression: CompressionParameters,
    run: RunParameters,
    pictures: ImageSplits,
    captions_complete: pd.DataFrame,
    prior: ModelBundle,
    gan: ModelBundle,
    prior_metrics: dict[str, Any],
    gan_metrics: dict[str, Any],
    prior_primary_caption_prob: float,
    gan_primary_caption_prob: float,
    stream: MetricStream,
    checkpoints: CheckpointStore,
    small_reader: ModelBundle,
) -> tuple[ModelBundle, pd.DataFrame, dict[str, Any], NDArray[np.uint8]]:
    """Distill the chosen family's generator into the small network; see :func:`distill`."""
    probs = prior_primary_caption_prob, gan_primary_caption_prob
    teacher = choose_teacher(compression.champion.family, prior, gan, prior_metrics, gan_metrics, *probs)
    data = pictures, captions_complete
    return distill("small", compression, run, *data, teacher, stream, checkpoints, small_reader)


def distill_pruned(
    compression: CompressionParameters,
    run: RunParameters,
    pictures: ImageSplits,
    captions_complete: pd.DataFrame,
    prior: ModelBundle,
    gan: ModelBundle,
    prior_metrics: dict[str, Any],
    gan_metrics: dict[str, Any],
    prior_primary_caption_prob: float,
    gan_primary_caption_prob: float,
    stream: MetricStream,
    checkpoints: CheckpointStore,
) -> tuple[ModelBundle, pd.DataFrame, dict[str, Any], NDArray[np.uint8]]:
    """Distill the chosen family's generator into its pruned network; see :func:`distill`."""
    probs = prior_primary_caption_prob, gan_primary_caption_prob
    teacher = choose_teacher(compression.champion.family, prior, gan, prior_metrics, gan_metrics, *probs)
    return distill("pruned", compression, run, pictures, captions_complete, teacher, stream, checkpoints)


def export_variants(
    compression: CompressionParameters,
    pictures: ImageSplits,
    small: ModelBundle,
    pruned: ModelBundle,
    onnx_vae: OnnxModel,
    onnx_gan: OnnxModel,
    prior_metrics: dict[str, Any],
    gan_metrics: dict[str, Any],
) -> dict[str, OnnxModel]:
    """Makes the compressed variants of the chosen family that run without torch."""
    family = chosen_family(compression, prior_metrics, gan_metrics)
    baseline = {"vae": onnx_vae, "gan": onnx_gan}[family]
    return make_variants(compression, pictures, baseline, {"pruned": pruned, "small": small})


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
    onnx_variants: dict[str, OnnxModel],
    onnx_scorer: OnnxModel,
    prior_metrics: dict[str, Any],
    gan_metrics: dict[str, Any],
) -> tuple[dict[str, Any], OnnxPipeline, NDArray[np.uint8]]:
    """Measures the variants of both generators on this machine, and chooses the champion.

    Returns:
        The table of speeds, sizes and qualities, the champion, and a plot of quality over speed.
    """
    baselines = {"vae": onnx_vae, "gan": onnx_gan}
    table, choice = measure_families(
        compression,
        make_quality(compression, run, pictures, contrastive_pair),
        {"vae": Network(prior, {"fp32": onnx_vae}), "gan": Network(gan, {"fp32": onnx_gan})},
        chosen_family(compression, prior_metrics, gan_metrics),
        {"pruned": pruned, "small": small},
        onnx_variants,
        run.threads,
    )
    rows = {name: row for name, row in table.items() if name != "champion"}
    champion = champion_pipeline(choice, baselines[choice["family"]], onnx_variants, onnx_scorer)
    return table, champion, frontier_figure(rows, f"{choice['family']}_{choice['variant']}")
