"""Steps of the evaluation."""

from collections.abc import MutableMapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lexipix.config.evaluation import EvaluationParameters
from lexipix.config.run import RunParameters
from lexipix.errors import LexipixError
from lexipix.metrics.speed import describe_machine
from lexipix.pipelines.evaluation import page
from lexipix.pipelines.evaluation.drawing import from_captions, latent_bits, noise_for, through_latent
from lexipix.pipelines.evaluation.examples import choose_rows, tabulate_captions
from lexipix.pipelines.evaluation.judge import train_judge
from lexipix.pipelines.evaluation.measuring import Evaluated, measure_paths
from lexipix.pipelines.evaluation.words import by_words, round_trip
from lexipix.pipelines.generation.models import Drawer, choose
from lexipix.records import CheckpointStore, MetricStream, ModelBundle, OnnxModel, Pictures
from lexipix.reporting.report import render_report
from lexipix.reporting.sheet import rows_sheet
from lexipix.scenes import SceneTruth
from lexipix.training.bundles import is_left_out
from lexipix.training.judge import Judge
from lexipix.training.sheets import tile_pairs

Pixels = NDArray[np.uint8]
TRAINING_FIGURES = ("images_per_s", "seconds", "images_seen", "mflop_per_image", "gflops")
OWN_MODELS = ("vae", "prior", "gan", "visual_words", "words")
MODELS = ("features", "captioner", *OWN_MODELS, "small_reader", "small", "pruned", "evaluator")


def train_evaluator(
    evaluation: EvaluationParameters,
    run: RunParameters,
    pictures: Pictures,
    machine_choices: MutableMapping[str, str],
    evaluator_stream: MetricStream,
    evaluator_checkpoints: CheckpointStore,
) -> tuple[ModelBundle, pd.DataFrame, dict[str, Any]]:
    """Train the judge on its own split with its own seed; nothing else ever sees either.

    Returns:
        The evaluator, its curves and its figures.
    """
    digest = pictures.digest
    bundle, result = train_judge(
        pictures.judge,
        evaluation.evaluator,
        run,
        digest,
        evaluator_stream,
        evaluator_checkpoints,
        machine_choices,
    )
    return bundle, pd.DataFrame(result.curves), result.figures


def redraw(
    evaluation: EvaluationParameters,
    run: RunParameters,
    pictures: Pictures,
    captioner_test_captions: pd.DataFrame,
    vae: ModelBundle,
    prior: ModelBundle,
    gan: ModelBundle,
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
    by_vae = from_captions(prior, real.asked, run, evaluation.batch_size)
    by_gan = from_captions(gan, real.asked, run, evaluation.batch_size)
    chosen = choose(champion)
    drawer = Drawer(chosen.among({"vae": onnx_vae, "gan": onnx_gan}, onnx_forms))
    by_champion = drawer.draw(real.asked, noise_for(len(real.asked), drawer.noise_width, run).numpy())
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
        _drawn(vae_pictures, gan_pictures, champion_pictures, words_pictures),
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
            **{key: evaluation_figures[key] for key in ("direct", "text", "baseline", "ceiling")},
            "words": words_round_trip,
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
    drawn = _drawn(vae_pictures, gan_pictures, champion_pictures, words_pictures)
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
) -> tuple[str, Pixels]:
    """Write the report, and a sheet of the fixed test pictures by every way.

    Returns:
        HTML, and uint8 (H, W, 3).
    """
    real = evaluated(evaluation, pictures, captioner_test_captions)
    drawn = _drawn(vae_pictures, gan_pictures, champion_pictures, words_pictures)
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
    )
    context = page.assemble(
        paths,
        evaluation,
        metrics,
        evaluation_figures,
        summary=dict(pictures.summary),
        captioner=captioner_figures,
        judge=evaluator,
        attention=attention_sheet,
        data_sheet=ingestion_sheet,
        curves=dict(zip(MODELS, curves, strict=True)),
        seed=run.seed,
        machine=describe_machine(),
    )
    fixed = context.galleries[0]
    return render_report(context), rows_sheet(fixed.columns, title="Test pictures, both paths")


def _drawn(vae: Pixels, gan: Pixels, champion: Pixels, words: Pixels) -> dict[str, Pixels]:
    """By path the pictures drawn from captions; a path without a model is absent."""
    paths = {"vae": vae, "gan": gan, "champion": champion, "words": words}
    return {path: images for path, images in paths.items() if len(images)}


def evaluated(evaluation: EvaluationParameters, pictures: Pictures, test_captions: pd.DataFrame) -> Evaluated:
    """The test pictures under evaluation with their true and their generated captions.

    Raises:
        LexipixError: The captions are of other pictures.
    """
    test = pictures.test
    if test_captions["file"].tolist() != test.captions["file"].tolist():
        raise LexipixError(
            "The generated captions of the test pictures are of other pictures than those ingested last: "
            "run `kedro run --pipelines captioner` again."
        )
    n_images = min(len(test), evaluation.n_images or len(test))
    rows = np.unique(np.linspace(0, len(test) - 1, n_images).round().astype(np.intp))
    table = test.captions.iloc[rows].reset_index(drop=True)
    truths = [
        text if isinstance(text, str) else None
        for text in table["caption"].where(table["caption"].notna(), table["withheld_caption"])
    ]
    images = test.images if len(rows) == len(test) else test.images[rows]
    asked = [str(text) for text in test_captions["caption"].iloc[rows]]
    is_scenes = pictures.summary.get("source") == "scenes" and all(truths)
    scenes = SceneTruth.of([str(t) for t in truths], images.shape[1]) if is_scenes else None
    return Evaluated(images, table, truths, asked, scenes)


def _present(figures: dict[str, Any]) -> dict[str, Any]:
    """Leave out what has no value, and groups of which nothing is left."""
    kept = {key: _present(value) if isinstance(value, dict) else value for key, value in figures.items()}
    return {key: value for key, value in kept.items() if value is not None and value != {}}
