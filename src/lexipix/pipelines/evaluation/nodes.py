"""Steps of the evaluation."""

from collections.abc import MutableMapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lexipix.config.evaluation import EvaluationParameters
from lexipix.config.run import RunParameters
from lexipix.evaluation import report_context as page
from lexipix.evaluation.collect import MODELS
from lexipix.evaluation.embedding import Judge
from lexipix.evaluation.evaluator import train_judge, with_captions
from lexipix.evaluation.examples import choose_rows, tabulate_captions
from lexipix.evaluation.measure import evaluated, measure_paths
from lexipix.evaluation.paths import TEXT_PATHS, Generators, drawn_by_path, text_paths
from lexipix.evaluation.round_trips import latent_bits, through_latent
from lexipix.evaluation.tokens import round_trip
from lexipix.reporting.report import render_report
from lexipix.reporting.sheet import rows_sheet
from lexipix.training.sample_grid import tile_pairs
from lexipix.utils.machine import describe_machine
from lexipix.utils.skipped_model import is_skipped
from lexipix.utils.types import CheckpointStore, ImageSplits, MetricStream, ModelBundle

Pixels = NDArray[np.uint8]


def train_evaluator(
    evaluation: EvaluationParameters,
    run: RunParameters,
    pictures: ImageSplits,
    captioner: ModelBundle,
    machine_choices: MutableMapping[str, str],
    evaluator_stream: MetricStream,
    evaluator_checkpoints: CheckpointStore,
) -> tuple[ModelBundle, pd.DataFrame, dict[str, Any]]:
    """Train the judge on its own split with its own seed; nothing else ever sees either.

    Returns:
        The evaluator, its curves and its figures; ``described`` says how many captions the captioner lent it,
        where it did.
    """
    split, n_described = with_captions(pictures.judge, captioner, evaluation.evaluator, run)
    bundle, result = train_judge(
        split,
        evaluation.evaluator,
        run,
        pictures.digest,
        evaluator_stream,
        evaluator_checkpoints,
        machine_choices,
    )
    figures = result.figures | ({"described": n_described} if n_described else {})
    return bundle, pd.DataFrame(result.curves), figures


def redraw(
    evaluation: EvaluationParameters,
    run: RunParameters,
    pictures: ImageSplits,
    captioner_test_captions: pd.DataFrame,
    vae: ModelBundle,
    *generators: Any,
) -> tuple[Pixels, ...]:
    """Send test pictures down both paths.

    Returns:
        uint8 (N, H, W, 3) each: through the latent and back; drawn from their generated captions by each of
        :data:`TEXT_PATHS`. A path whose model was left out gives no pictures.
    """
    real = evaluated(evaluation, pictures, captioner_test_captions)
    direct = through_latent(vae, real.images, run, evaluation.batch_size)
    paths = text_paths(Generators(*generators), run, evaluation.batch_size)
    nothing = np.empty((0, *real.images.shape[1:]), np.uint8)
    drawn = [paths[path](real.asked) if path in paths else nothing for path in TEXT_PATHS]
    return direct, *drawn


def measure_words(
    evaluation: EvaluationParameters,
    run: RunParameters,
    pictures: ImageSplits,
    captioner_test_captions: pd.DataFrame,
    words: ModelBundle,
) -> dict[str, float]:
    """Send test pictures through visual words and back, without a caption in between.

    Returns:
        As :func:`round_trip` gives it; empty where the model was left out.
    """
    if is_skipped(words):
        return {}
    real = evaluated(evaluation, pictures, captioner_test_captions)
    return round_trip(words, real.images, run, evaluation.batch_size)


def measure(
    evaluation: EvaluationParameters,
    run: RunParameters,
    pictures: ImageSplits,
    captioner_test_captions: pd.DataFrame,
    evaluator: ModelBundle,
    vae: ModelBundle,
    direct_pictures: Pixels,
    vae_pictures: Pixels,
    gan_pictures: Pixels,
    champion_pictures: Pixels,
    words_pictures: Pixels,
) -> dict[str, Any]:
    """Measure both paths, their baselines and ceilings."""
    real = evaluated(evaluation, pictures, captioner_test_captions)
    figures = measure_paths(
        real,
        direct_pictures,
        drawn_by_path(vae_pictures, gan_pictures, champion_pictures, words_pictures),
        pictures.train.images,
        pictures.train.captions,
        Judge(evaluator, run, evaluation.batch_size),
        evaluation,
        run.seed,
    )
    figures["direct"]["bits_per_image"] = latent_bits(vae, real.images, run, evaluation.batch_size)
    return figures


def show_examples(
    evaluation: EvaluationParameters,
    run: RunParameters,
    pictures: ImageSplits,
    captioner_test_captions: pd.DataFrame,
    direct_pictures: Pixels,
    vae_pictures: Pixels,
    gan_pictures: Pixels,
    champion_pictures: Pixels,
    words_pictures: Pixels,
) -> tuple[pd.DataFrame, Pixels]:
    """Tabulate some captions with their pictures, and show originals above their reconstructions.

    Returns:
        The table (:func:`tabulate_captions`), and uint8 (H, W, 3) of the direct path.
    """
    real = evaluated(evaluation, pictures, captioner_test_captions)
    drawn = drawn_by_path(vae_pictures, gan_pictures, champion_pictures, words_pictures)
    fixed = choose_rows(real, drawn, evaluation)["fixed"]
    reconstructions = tile_pairs(real.images[fixed], direct_pictures[fixed])
    return tabulate_captions(real, drawn, evaluation), reconstructions


def write_report(
    evaluation: EvaluationParameters,
    run: RunParameters,
    pictures: ImageSplits,
    captioner_test_captions: pd.DataFrame,
    direct_pictures: Pixels,
    vae_pictures: Pixels,
    gan_pictures: Pixels,
    champion_pictures: Pixels,
    words_pictures: Pixels,
    metrics: dict[str, Any],
    evaluation_figures: dict[str, Any],
    captioner_figures: dict[str, Any],
    evaluator: ModelBundle,
    memorisation_sheet: Pixels,
    rate_sheet: Pixels,
    information_sheet: Pixels,
    attention_sheet: Pixels,
    ingestion_sheet: Pixels,
    *curves: pd.DataFrame,
) -> tuple[str, Pixels]:
    """Write the report, and a sheet of the fixed test pictures by every way.

    The last inputs are the curves of :data:`MODELS`, in their order.

    Returns:
        HTML, and uint8 (H, W, 3).
    """
    real = evaluated(evaluation, pictures, captioner_test_captions)
    drawn = drawn_by_path(vae_pictures, gan_pictures, champion_pictures, words_pictures)
    paths = page.Paths(real, direct_pictures, drawn)
    context = page.assemble(
        paths,
        evaluation,
        metrics,
        evaluation_figures,
        summary=dict(pictures.summary),
        captioner=captioner_figures,
        judge=evaluator,
        neighbours=memorisation_sheet,
        rate=rate_sheet,
        information=information_sheet,
        attention=attention_sheet,
        data_sheet=ingestion_sheet,
        curves=dict(zip(MODELS, curves, strict=True)),
        seed=run.seed,
        machine=describe_machine(),
    )
    fixed = context.galleries[0]
    return render_report(context), rows_sheet(fixed.columns, title="Test pictures, both paths")
