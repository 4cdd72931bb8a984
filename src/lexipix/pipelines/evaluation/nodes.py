"""Steps of the evaluation."""

from typing import Any

import numpy as np
import pandas as pd

from lexipix.config.evaluation import EvaluationParameters
from lexipix.config.run import RunParameters
from lexipix.engines.base import Engine
from lexipix.engines.local import LOCAL
from lexipix.evaluation.class_agreement import class_metrics, train_real_classifier
from lexipix.evaluation.direct_path import LatentCodec, measure_token_round_trip
from lexipix.evaluation.embedding import Embedder
from lexipix.evaluation.evaluated_images import Pixels, select_evaluated_images
from lexipix.evaluation.evaluator import train_contrastive_evaluator
from lexipix.evaluation.examples import choose_rows, galleries, tabulate_captions
from lexipix.evaluation.information import information_curve
from lexipix.evaluation.memorization import measure_neighbors
from lexipix.evaluation.metrics_json import MODELS, assemble_metrics
from lexipix.evaluation.path_metrics import measure_paths
from lexipix.evaluation.prompt_metrics import prompt_metrics
from lexipix.evaluation.rate import rate_curves
from lexipix.evaluation.text_paths import TEXT_PATHS, Generators, images_by_path, text_paths
from lexipix.models.evaluator import Evaluator
from lexipix.reporting.contact_sheet import comparison_sheet
from lexipix.reporting.quality_plots import information_figure, rate_figure
from lexipix.reporting.report import render_report
from lexipix.training.sample_grid import tile_pairs
from lexipix.utils.machine import describe_machine
from lexipix.utils.skipped_model import is_skipped
from lexipix.utils.types import CheckpointStore, ImageSplits, MetricStream, ModelBundle

Trained = tuple[ModelBundle, pd.DataFrame, dict[str, Any]]


def train_evaluator(
    evaluation: EvaluationParameters,
    run: RunParameters,
    image_splits: ImageSplits,
    stream: MetricStream,
    checkpoints: CheckpointStore,
    engine: Engine = LOCAL,
) -> Trained:
    """Trains the evaluator, with a network, a seed and a text input that nothing else uses."""
    bundle, curves, metrics, _ = train_contrastive_evaluator(
        image_splits, evaluation.evaluator, run, stream, checkpoints, engine
    )
    return bundle, curves, metrics


def train_classifier(
    evaluation: EvaluationParameters,
    run: RunParameters,
    image_splits: ImageSplits,
    stream: MetricStream,
    checkpoints: CheckpointStore,
    engine: Engine = LOCAL,
) -> Trained:
    """Trains the classifier of real images, the second evaluator, if the images have classes."""
    return train_real_classifier(evaluation.classifier, run, image_splits, stream, checkpoints, engine)


def draw_test_images(
    evaluation: EvaluationParameters,
    run: RunParameters,
    image_splits: ImageSplits,
    test_captions: pd.DataFrame,
    vae: ModelBundle,
    engine: Engine,
    *generators: Any,
) -> tuple[Pixels, ...]:
    """Reconstructs the test images by the direct path, and draws them from their generated captions.

    ``generators`` are the fields of :class:`Generators`, here and below.

    Returns:
        uint8 (N, H, W, 3) each, of the direct path and of :data:`TEXT_PATHS`; empty for a skipped model.
    """
    real = select_evaluated_images(evaluation, image_splits, test_captions)
    direct = LatentCodec(vae, run, evaluation.batch_size).reconstruct(real.images)
    paths = text_paths(Generators(*generators), run, evaluation.batch_size, engine)
    empty = np.empty((0, *real.images.shape[1:]), np.uint8)
    return direct, *(paths[path](real.prompts) if path in paths else empty for path in TEXT_PATHS)


def measure_tokens(
    evaluation: EvaluationParameters,
    run: RunParameters,
    image_splits: ImageSplits,
    test_captions: pd.DataFrame,
    tokens: ModelBundle,
) -> dict[str, float]:
    """Measures how well test images come back from their image tokens; empty for a skipped model."""
    if is_skipped(tokens):
        return {}
    real = select_evaluated_images(evaluation, image_splits, test_captions)
    return measure_token_round_trip(tokens, real.images, run, evaluation.batch_size)


def measure_images(
    evaluation: EvaluationParameters,
    run: RunParameters,
    image_splits: ImageSplits,
    test_captions: pd.DataFrame,
    evaluator: ModelBundle,
    vae: ModelBundle,
    engine: Engine,
    direct_images: Pixels,
    *text_images: Pixels,
) -> dict[str, Any]:
    """Measures both paths, their baselines and ceilings; the last inputs are those of :data:`TEXT_PATHS`."""
    real = select_evaluated_images(evaluation, image_splits, test_captions)
    drawn = images_by_path(text_images)
    embedder = Embedder(Evaluator, evaluator, run, evaluation.batch_size, engine)
    metrics = measure_paths(real, direct_images, drawn, image_splits.train, embedder, evaluation, run.seed)
    metrics["direct"]["bits_per_image"] = LatentCodec(vae, run, evaluation.batch_size).bits(real.images)
    return metrics


def measure_classes(
    evaluation: EvaluationParameters,
    run: RunParameters,
    image_splits: ImageSplits,
    classifier: ModelBundle,
    checkpoints: CheckpointStore,
    engine: Engine,
    *generators: Any,
) -> dict[str, Any]:
    """Draws from the true captions of the test split and measures classes; empty for a skipped classifier."""
    if is_skipped(classifier):
        return {}
    paths = text_paths(Generators(*generators), run, evaluation.batch_size, engine)
    return class_metrics(paths, image_splits, classifier, evaluation, run, checkpoints, engine)


def measure_memorization(
    evaluation: EvaluationParameters,
    run: RunParameters,
    image_splits: ImageSplits,
    test_captions: pd.DataFrame,
    evaluator: ModelBundle,
    engine: Engine,
    *text_images: Pixels,
) -> tuple[dict[str, Any], Pixels]:
    """Compares the distances of drawn and of real test images to their nearest training images."""
    real = select_evaluated_images(evaluation, image_splits, test_captions)
    embedder = Embedder(Evaluator, evaluator, run, evaluation.batch_size, engine)
    drawn, train_images = images_by_path(text_images), image_splits.train.images
    return measure_neighbors(real, drawn, train_images, embedder, evaluation.memorization)


def measure_prompts(
    evaluation: EvaluationParameters,
    run: RunParameters,
    image_splits: ImageSplits,
    evaluator: ModelBundle,
    engine: Engine,
    *generators: Any,
) -> dict[str, Any]:
    """Draws from true captions of test, training and held-out images, and measures what is drawn."""
    paths = text_paths(Generators(*generators), run, evaluation.batch_size, engine)
    embedder = Embedder(Evaluator, evaluator, run, evaluation.batch_size, engine)
    return prompt_metrics(image_splits, paths, embedder, evaluation, run.seed)


def measure_rate(
    evaluation: EvaluationParameters, run: RunParameters, image_splits: ImageSplits, vae: ModelBundle
) -> tuple[pd.DataFrame, dict[str, Any], Pixels]:
    """Returns quality over bits of the direct path, JPEG and WebP, the bits for 30 dB, and a plot."""
    codec = LatentCodec(vae, run, evaluation.batch_size)
    table, bits, n_images = rate_curves(evaluation.rate, image_splits, codec)
    return table, bits, rate_figure(table, n_images)


def measure_information(
    evaluation: EvaluationParameters,
    run: RunParameters,
    image_splits: ImageSplits,
    test_captions: pd.DataFrame,
    captioner: ModelBundle,
    vae: ModelBundle,
    *generators: ModelBundle,
) -> tuple[pd.DataFrame, Pixels]:
    """Returns quality over the bits that are given about an image, as a table and a plot."""
    real = select_evaluated_images(evaluation, image_splits, test_captions)
    text_models = dict(zip(("vae", "gan", "tokens"), generators, strict=True))
    table, n_images = information_curve(
        evaluation, run, real, image_splits.train, captioner, vae, text_models
    )
    return table, information_figure(table, n_images)


def collect_metrics(**groups: dict[str, Any]) -> dict[str, Any]:
    """Puts ``metrics.json`` together from groups of metrics and the training metrics of :data:`MODELS`."""
    training = {name: groups.pop(f"{name}_metrics") for name in MODELS}
    return assemble_metrics(training=training, **groups)


def show_examples(
    evaluation: EvaluationParameters,
    image_splits: ImageSplits,
    test_captions: pd.DataFrame,
    direct_images: Pixels,
    *text_images: Pixels,
) -> tuple[pd.DataFrame, Pixels]:
    """Returns a table of captions with images, and originals above their reconstructions."""
    real, drawn = (
        select_evaluated_images(evaluation, image_splits, test_captions),
        images_by_path(text_images),
    )
    fixed = choose_rows(real, drawn, evaluation)["fixed"]
    reconstructions = tile_pairs(real.images[fixed], direct_images[fixed])
    return tabulate_captions(real, drawn, evaluation), reconstructions


def write_report(
    evaluation: EvaluationParameters,
    run: RunParameters,
    image_splits: ImageSplits,
    test_captions: pd.DataFrame,
    evaluator: ModelBundle,
    metrics: dict[str, Any],
    evaluation_metrics: dict[str, Any],
    captioner_metrics: dict[str, Any],
    **shown: Any,
) -> tuple[str, Pixels]:
    """Writes the report, and a sheet of the fixed test images by all paths.

    ``shown`` are images of all paths, sheets, plots and curves, by the names of their datasets.

    Returns:
        HTML, and uint8 (H, W, 3).
    """
    real = select_evaluated_images(evaluation, image_splits, test_captions)
    drawn = images_by_path([shown[f"{path}_images"] for path in TEXT_PATHS])
    sheets = {name: pixels for name, pixels in shown.items() if name.endswith("_sheet")}
    if evaluation.information.n_images is None:
        del sheets["information_sheet"]
    shown_galleries = galleries(real, shown["direct_images"], drawn, evaluation)
    html = render_report(
        summary=image_splits.summary,
        metrics=metrics,
        paths=evaluation_metrics,
        captioner=captioner_metrics,
        galleries=shown_galleries,
        captions=[
            (real.images[row], real.references[row], real.prompts[row])
            for row in choose_rows(real, drawn, evaluation)["fixed"]
        ],
        sheets=sheets,
        curves={name: shown[f"{name}_curves"] for name in MODELS},
        run={
            "seed": run.seed,
            "machine": describe_machine(),
            "code_revision": str(evaluator.card.get("code_revision", "")),
        },
    )
    return html, comparison_sheet(shown_galleries[0].columns, title="Test images, both paths")
