"""Steps of the evaluation."""

from collections.abc import Mapping, MutableMapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lexipix.config.evaluation import EvaluationParameters
from lexipix.config.run import RunParameters
from lexipix.metrics.speed import describe_machine
from lexipix.pipelines.evaluation import page
from lexipix.pipelines.evaluation.drawing import latent_bits, through_latent
from lexipix.pipelines.evaluation.examples import choose_rows, tabulate_captions
from lexipix.pipelines.evaluation.judge import train_judge, with_captions
from lexipix.pipelines.evaluation.measuring import evaluated, measure_paths
from lexipix.pipelines.evaluation.paths import drawn_by_path, text_paths
from lexipix.pipelines.evaluation.words import by_words, round_trip
from lexipix.records import CheckpointStore, MetricStream, ModelBundle, OnnxModel, Pictures
from lexipix.reporting.report import render_report
from lexipix.reporting.sheet import rows_sheet
from lexipix.training.bundles import is_left_out
from lexipix.training.judge import Judge
from lexipix.training.sheets import tile_pairs

Pixels = NDArray[np.uint8]
PATHS = ("vae", "gan", "champion")
TEXT = (*PATHS, "words")
TRAINING_FIGURES = ("images_per_s", "seconds", "images_seen", "mflop_per_image", "gflops")
# Every training, those of what judges last
JUDGES = ("evaluator", "classifier")
OWN_MODELS = ("vae", "prior", "gan", "visual_words", "words")
MODELS = ("features", "captioner", *OWN_MODELS, "small_reader", "small", "pruned", *JUDGES)


def train_evaluator(
    evaluation: EvaluationParameters,
    run: RunParameters,
    pictures: Pictures,
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
    pictures: Pictures,
    captioner_test_captions: pd.DataFrame,
    vae: ModelBundle,
    prior: ModelBundle,
    gan: ModelBundle,
    words: ModelBundle,
    champion: dict[str, Any],
    onnx_vae: OnnxModel,
    onnx_gan: OnnxModel,
    onnx_forms: dict[str, OnnxModel],
) -> tuple[Pixels, Pixels, Pixels, Pixels]:
    """Send test pictures down both paths.

    Returns:
        uint8 (N, H, W, 3) each: through the latent and back; drawn from their generated captions by the prior
        with the VAE's decoder; likewise by the GAN, and by the champion as it is shipped.
    """
    real = evaluated(evaluation, pictures, captioner_test_captions)
    direct = through_latent(vae, real.images, run, evaluation.batch_size)
    paths = text_paths(
        prior, gan, words, champion, onnx_vae, onnx_gan, onnx_forms, run, evaluation.batch_size
    )
    by_vae, by_gan, by_champion = (paths[name](real.asked) for name in PATHS)
    return direct, by_vae, by_gan, by_champion


def redraw_in_words(
    evaluation: EvaluationParameters,
    run: RunParameters,
    pictures: Pictures,
    captioner_test_captions: pd.DataFrame,
    words: ModelBundle,
) -> tuple[Pixels, dict[str, Any]]:
    """Send test pictures down the text path that writes visual words, and through the words and back.

    Returns:
        uint8 (N, H, W, 3), drawn from their generated captions; PSNR, SSIM and bits of the way through the
        words and back, without a caption in between. Without such a model no pictures and no figures.
    """
    real = evaluated(evaluation, pictures, captioner_test_captions)
    if is_left_out(words):
        return np.empty((0, *real.images.shape[1:]), np.uint8), {}
    drawn = by_words(words, real.asked, run, evaluation.batch_size)
    return drawn, round_trip(words, real.images, run, evaluation.batch_size)


def measure(
    evaluation: EvaluationParameters,
    run: RunParameters,
    pictures: Pictures,
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


def collect_metrics(
    ingestion_summary: dict[str, Any],
    evaluation_figures: dict[str, Any],
    words_round_trip: dict[str, Any],
    features_figures: dict[str, Any],
    captioner_figures: dict[str, Any],
    vae_figures: dict[str, Any],
    prior_figures: dict[str, Any],
    gan_figures: dict[str, Any],
    visual_words_figures: dict[str, Any],
    words_figures: dict[str, Any],
    small_reader_figures: dict[str, Any],
    small_figures: dict[str, Any],
    pruned_figures: dict[str, Any],
    evaluator_figures: dict[str, Any],
    classifier_figures: dict[str, Any],
    classes_figures: dict[str, Any],
    memorisation_figures: dict[str, Any],
    prompt_figures: dict[str, Any],
    rate_figures: dict[str, Any],
    speed_table: dict[str, Any],
    captioner_speed_table: dict[str, Any],
) -> dict[str, Any]:
    """Bring together what ``metrics.json`` holds; what does not apply to the data is absent."""
    trained = dict(
        zip(
            MODELS,
            (
                features_figures,
                captioner_figures,
                vae_figures,
                prior_figures,
                gan_figures,
                visual_words_figures,
                words_figures,
                small_reader_figures,
                small_figures,
                pruned_figures,
                evaluator_figures,
                classifier_figures,
            ),
            strict=True,
        )
    )
    captioner = {
        key: captioner_figures.get(key) for key in ("bleu4", "cider_d", "exact_match", "attribute_f1")
    }
    return _present(
        {
            "data": {
                key: ingestion_summary.get(key)
                for key in ("n_train", "n_val", "n_test", "rejected", "image_size")
            },
            "captioner": captioner | {"images_per_s": captioner_figures.get("captions_per_s")},
            **{
                key: _joined(
                    _joined(evaluation_figures[key], classes_figures.get(key, {})),
                    prompt_figures.get(key, {}),
                )
                for key in ("direct", "text", "baseline", "ceiling")
            },
            "words": words_round_trip,
            "memorisation": {
                path: memorisation_figures[path] for path in TEXT if path in memorisation_figures
            },
            "rate": rate_figures,
            "speed": speed_table,
            "captioner_speed": captioner_speed_table,
            "training": {
                name: {key: figures.get(key) for key in TRAINING_FIGURES} for name, figures in trained.items()
            },
        }
    )


def show_examples(
    evaluation: EvaluationParameters,
    run: RunParameters,
    pictures: Pictures,
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
    pictures: Pictures,
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
    features_curves: pd.DataFrame,
    captioner_curves: pd.DataFrame,
    vae_curves: pd.DataFrame,
    prior_curves: pd.DataFrame,
    gan_curves: pd.DataFrame,
    visual_words_curves: pd.DataFrame,
    words_curves: pd.DataFrame,
    small_reader_curves: pd.DataFrame,
    small_curves: pd.DataFrame,
    pruned_curves: pd.DataFrame,
    evaluator_curves: pd.DataFrame,
    classifier_curves: pd.DataFrame,
) -> tuple[str, Pixels]:
    """Write the report, and a sheet of the fixed test pictures by every way.

    Returns:
        HTML, and uint8 (H, W, 3).
    """
    real = evaluated(evaluation, pictures, captioner_test_captions)
    drawn = drawn_by_path(vae_pictures, gan_pictures, champion_pictures, words_pictures)
    paths = page.Paths(real, direct_pictures, drawn)
    curves = (
        features_curves,
        captioner_curves,
        vae_curves,
        prior_curves,
        gan_curves,
        visual_words_curves,
        words_curves,
        small_reader_curves,
        small_curves,
        pruned_curves,
        evaluator_curves,
        classifier_curves,
    )
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


def _joined(figures: Mapping[str, Any], others: Mapping[str, Any]) -> dict[str, Any]:
    """Two groups of figures as one, with the groups in them likewise."""
    return {
        **figures,
        **{
            key: _joined(figures.get(key, {}), value) if isinstance(value, Mapping) else value
            for key, value in others.items()
        },
    }


def _present(figures: dict[str, Any]) -> dict[str, Any]:
    """Leave out what has no value, and groups of which nothing is left."""
    kept = {key: _present(value) if isinstance(value, dict) else value for key, value in figures.items()}
    return {key: value for key, value in kept.items() if value is not None and value != {}}
