"""The whole evaluation on an in-memory catalog, with untrained models."""

import json

import numpy as np
import pandas as pd
import pytest
from kedro.io import DataCatalog, MemoryDataset
from kedro.runner import SequentialRunner
from tests.support.evaluation_fixtures import Kept, ListStream, NoCheckpoints
from tests.support.pickling_engine import PicklingEngine

from lexipix.engines.local import LOCAL
from lexipix.evaluation.metrics_json import EVALUATORS, MODELS
from lexipix.evaluation.text_paths import Generators
from lexipix.pipelines.evaluation.nodes import draw_test_images, measure_tokens
from lexipix.pipelines.evaluation.pipeline import create_pipeline
from lexipix.reporting import plots
from lexipix.utils.skipped_model import is_skipped, skipped
from lexipix.utils.types import SCORER, OnnxPipeline

TRAINED_BEFORE = [name for name in MODELS if name not in EVALUATORS]
TRAINED = {"images_per_s": 100.0, "seconds": 2.0, "images_seen": 200, "precision": "cpu/fp32"}
CHAMPION = {"family": "gan", "qualities": {"balanced": "small_onnx_fp32"}}
SPEED = {
    "champion": {"images_per_s": 5.0, "latency_p50_ms": 2.0},
    "vae_fp32": {"images_per_s": 5.0, "latency_p50_ms": 2.0},
}


@pytest.fixture(scope="module")
def results(image_splits, test_captions, run, evaluation, vae, prior, tokens, shipped, captioner):
    curves = pd.DataFrame({"images_seen": [1, 2], "loss": [2.0, 1.0]})
    given = {
        "params:evaluation": evaluation, "params:run": run, "image_splits": image_splits,
        "captioner_test_captions": test_captions, "vae": vae, "prior": prior, "gan": prior, "tokens": tokens,
        "captioner": captioner,
        "ingestion_summary": image_splits.summary, "attention_sheet": np.zeros((8, 8, 3), np.uint8),
        "ingestion_sheet": np.zeros((8, 8, 3), np.uint8), "evaluator_stream": ListStream(),
        "evaluator_checkpoints": NoCheckpoints(), "speed_table": SPEED,
        "classifier_stream": ListStream(), "classifier_checkpoints": NoCheckpoints(),
        "classes_checkpoints": NoCheckpoints(), "engine": PicklingEngine(),
        "captioner_speed_table": SPEED,
        "champion": OnnxPipeline(CHAMPION, {"small_onnx_fp32": shipped, SCORER: shipped}),
    }  # fmt: skip
    for name in TRAINED_BEFORE:
        given |= {f"{name}_metrics": TRAINED, f"{name}_curves": curves}
    given["captioner_metrics"] = TRAINED | {
        "exact_match": 0.5, "bleu4": 0.25, "captions_per_s": 12.5,
        "generated_captions": 8, "generated_captions_exact_match": 0.75,
    }  # fmt: skip
    pipeline = create_pipeline()
    catalog = DataCatalog({name: MemoryDataset(data, copy_mode="assign") for name, data in given.items()})
    kept = {name: Kept(copy_mode="assign") for name in pipeline.all_outputs()}
    for name, dataset in kept.items():
        catalog[name] = dataset
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plots, "DPI", 40)  # many plots, of which no test counts pixels
        SequentialRunner().run(pipeline, catalog)
    return {name: dataset.load() for name, dataset in kept.items()} | given


def test_metrics_are_those_of_the_design_and_json(results, image_splits):
    metrics = results["metrics"]
    assert json.loads(json.dumps(metrics)) == metrics
    assert metrics["data"] == {"n_train": 40, "n_val": 8, "n_test": 30, "rejected": 2, "image_size": 32}
    assert 0 <= metrics["captioner"].pop("r_precision") <= 1
    assert metrics["captioner"] == {"exact_match": 0.5, "bleu4": 0.25, "images_per_s": 12.5}
    assert set(metrics["direct"]) == {"psnr", "ssim", "bits_per_image"}
    for path in ("vae", "gan", "champion", "tokens"):
        assert set(metrics["text"][path]) == {
            "psnr", "ssim", "attribute_accuracy", "kid",
            "r_precision",
        }  # fmt: skip
    assert {name: set(values) for name, values in metrics["baseline"].items()} == {
        "mean_image": {"psnr", "ssim"}, "same_caption": {"psnr", "ssim"},
        "real": {"r_precision"}, "shuffled": {"r_precision"},
        "retrieved": {"psnr", "ssim", "attribute_accuracy", "kid", "r_precision"},
    }  # fmt: skip
    assert set(metrics["tokens"]) == {"psnr", "ssim", "bits_per_image"}
    assert set(metrics["ceiling"]) == {"psnr", "ssim", "attribute_accuracy"}
    assert set(metrics["training"]) == set(MODELS) - {"classifier"}  # scenes have no classes
    assert set(metrics["memorization"]) == {"vae", "gan", "champion", "tokens"}
    assert set(metrics["memorization"]["vae"]) == {"distance_ratio", "very_near_share"}
    assert metrics["rate"]["psnr"] == 30 and "jpeg" in metrics["rate"]
    assert metrics["training"]["vae"] == {"images_per_s": 100.0, "seconds": 2.0, "images_seen": 200}
    assert metrics["speed"] == SPEED


def test_ceiling_lies_above_the_same_caption_and_that_above_the_mean(results):
    metrics = results["metrics"]
    psnr = [metrics["baseline"]["mean_image"], metrics["baseline"]["same_caption"], metrics["ceiling"]]
    assert [p["psnr"] for p in psnr] == sorted(p["psnr"] for p in psnr)
    assert metrics["ceiling"]["attribute_accuracy"] > 0.97
    assert metrics["text"]["vae"]["attribute_accuracy"] < 0.7  # it has learned nothing


def test_the_evaluator_was_trained_with_its_own_seed(results, run):
    stream = results["evaluator_stream"]
    assert len(stream.rows) >= 2
    assert results["evaluator_metrics"]["images_seen"] == 96
    assert results["evaluator"].card["data_digest"] == "0123456789abcdef"
    assert list(results["evaluator_curves"]["images_seen"]) == [row[0] for row in stream.rows]


def test_metrics_of_the_report_include_real_vs_real_and_the_numbers(results):
    metrics = results["evaluation_metrics"]
    assert metrics["n_images"] == 30
    assert metrics["n_candidates"] == 30
    assert set(metrics["real_vs_real"]) == {"kid", "kid_std", "frechet", "precision", "recall"}
    assert metrics["extras"]["gan"]["sharpness"] == 0  # one color all over has no edges


def test_pictures_of_both_paths(results, image_splits):
    for name in ("direct_images", "vae_images", "gan_images", "champion_images", "tokens_images"):
        assert results[name].dtype == np.uint8
        assert results[name].shape == image_splits.test.images.shape


def test_a_skipped_token_generator_draws_nothing(
    image_splits, test_captions, run, evaluation, vae, prior, shipped, results
):
    tokens = skipped("a.b is false")
    champion = OnnxPipeline(CHAMPION, {"small_onnx_fp32": shipped, SCORER: shipped})
    generators = Generators(prior, prior, tokens, champion)
    *others, images = draw_test_images(evaluation, run, image_splits, test_captions, vae, LOCAL, *generators)
    assert images.shape == (0, 32, 32, 3) and images.dtype == np.uint8
    for name, drawn in zip(("direct", "vae", "gan", "champion"), others, strict=True):
        np.testing.assert_array_equal(drawn, results[f"{name}_images"])
    assert measure_tokens(evaluation, run, image_splits, test_captions, tokens) == {}


def test_images_come_back_from_their_tokens(results):
    metrics = results["metrics"]
    assert metrics["tokens"]["bits_per_image"] == pytest.approx(64 * np.log2(8 * 8 * 4 * 3 * 3))
    assert metrics["tokens"]["psnr"] > metrics["baseline"]["mean_image"]["psnr"]


def test_report_shows_both_paths_and_the_sheet_is_a_picture(results):
    assert "8 captions" in results["report"] and "75.0%" in results["report"]
    for part in (
        "Direct path",
        "Text path",
        "image tokens",
        "text: tokens",
        "Embedded scenes",
        "Worst",
        "Attention of the captioner",
    ):
        assert part in results["report"]
    assert results["report"].count("<script") == 0
    sheet = results["evaluation_sheet"]
    assert sheet.dtype == np.uint8 and sheet.shape[2] == 3


def test_the_table_has_pictures_chosen_in_three_ways_with_what_was_said_and_drawn(results, image_splits):
    table = results["captions_table"]
    assert table["shown"].value_counts().to_dict() == {"fixed": 4, "best": 2, "worst": 2}
    worst, best = (table.loc[table["shown"] == how, ["ssim_vae", "ssim_gan"]] for how in ("worst", "best"))
    assert worst.mean(axis=1).max() <= best.mean(axis=1).min()
    rows = {file: row for row, file in enumerate(image_splits.test.captions["file"])}
    for line in table.itertuples():
        row = rows[line.file]
        assert np.array_equal(line.picture[::4, ::4], image_splits.test.images[row])  # 32 pixels shown as 128
        assert np.array_equal(line.drawn[::4, ::4], results["champion_images"][row])
        assert line.caption == results["captioner_test_captions"]["caption"][row]
        assert line.truth == image_splits.test.captions["caption"][row]


def test_without_classes_there_is_no_second_evaluator(results):
    assert is_skipped(results["classifier"])
    assert results["classes_metrics"] == {} and results["classifier_metrics"] == {}
    assert "Class agreement" not in results["report"]
    assert results["classifier_stream"].rows == []


def test_rate_and_memorization_are_in_the_report_and_in_files(results):
    assert set(results["rate_table"]["coder"]) == {
        "latent",
        "latent_coded",
        "latent_posterior",
        "jpeg",
        "webp",
    }
    assert "Bits per image" in results["report"] and "Memorization" in results["report"]
    assert results["memorization_metrics"]["n_train"] == 40
    assert "Quality by information" in results["report"]
    for name in ("rate_sheet", "memorization_sheet", "information_sheet"):
        assert results[name].dtype == np.uint8 and results[name].shape[2] == 3


def test_reconstructions_stand_below_their_originals(results, image_splits):
    first, below = results["reconstructions_sheet"][:96:3, :96:3], results["reconstructions_sheet"][98:194:3]
    assert np.array_equal(first, image_splits.test.images[0])
    assert np.array_equal(below[:, :96:3], results["direct_images"][0])
