"""The whole chain through the real command line, and everything that reads what a run leaves."""

import json
import shutil

import mlflow
import nbformat
import pytest
from kedro.config import OmegaConfigLoader
from kedro.io import DataCatalog
from nbclient import NotebookClient
from tests.support.project import REPOSITORY, Project

from lexipix.config.pipelines import DEFAULT
from lexipix.pipeline_registry import register_pipelines
from lexipix.settings import CONFIG_LOADER_ARGS

# DESIGN.md's list; a figure that does not apply to a data set is absent, and all of these apply to scenes.
FIGURES = {
    "data": {"n_train", "n_val", "n_test", "rejected", "image_size"},
    "captioner": {"bleu4", "cider_d", "exact_match", "attribute_f1", "images_per_s"},
    "direct": {"psnr", "ssim", "bits_per_image"},
    "text.vae": {"psnr", "ssim", "attribute_accuracy", "r_precision", "kid"},
    "text.gan": {"psnr", "ssim", "attribute_accuracy", "r_precision", "kid"},
    "text.tokens": {"psnr", "ssim", "attribute_accuracy", "r_precision", "kid"},
    "tokens": {"psnr", "ssim", "bits_per_image"},
    "baseline.mean_image": {"psnr", "ssim"},
    "baseline.same_caption": {"psnr", "ssim"},
    "baseline.real": {"r_precision"},
    "baseline.retrieved": {"psnr", "ssim", "r_precision"},
    "prompts.unseen.champion": {
        "r_precision",
        "image_similarity",
        "psnr",
        "flat_ripple",
        "nearest_train_psnr",
    },
    "prompts.seen.retrieved": {"r_precision", "image_similarity", "psnr", "period2_power"},
    "baseline.shuffled": {"r_precision"},
    "ceiling": {"psnr", "ssim", "attribute_accuracy"},
    "speed.champion": {"images_per_s", "latency_p50_ms", "size_mb", "fidelity_psnr"},
    "memorization.champion": {"distance_ratio", "very_near_share"},
    "rate": {"psnr", "jpeg"},
    "training.vae": {"images_per_s", "seconds", "images_seen"},
    "training.captioner": {"images_per_s", "seconds", "images_seen"},
    "training.gan": {"images_per_s", "seconds", "images_seen"},
    "training.image_tokenizer": {"images_per_s", "seconds", "images_seen"},
    "training.tokens": {"images_per_s", "seconds", "images_seen"},
}


def tracked(smoke, status="FINISHED"):
    client = mlflow.MlflowClient(tracking_uri=f"sqlite:///{smoke.path / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("lexipix-smoke")
    runs = client.search_runs([experiment.experiment_id], f"attributes.status = '{status}'")
    return client, runs


@pytest.fixture(scope="module")
def again(smoke, tmp_path_factory):
    """A copy of the finished project, for tests that run stages again; it tracks into a copy of the store."""
    path = tmp_path_factory.mktemp("again") / "project"
    shutil.copytree(smoke.path, path, ignore=shutil.ignore_patterns("mlartifacts", "__pycache__"))
    return Project(path, smoke.said)


def test_every_output_is_there(smoke):
    loader = OmegaConfigLoader(conf_source=str(smoke.path / "conf"), env="smoke", **CONFIG_LOADER_ARGS)
    resolver = DataCatalog.from_config(loader["catalog"]).config_resolver
    entries = {name: resolver.resolve_pattern(name) for name in register_pipelines()[DEFAULT].all_outputs()}
    kept = {name: entry["filepath"] for name, entry in entries.items() if "filepath" in entry}
    assert len(kept) > 60
    assert [name for name, path in kept.items() if not (smoke.path / path).exists()] == []


def test_nothing_is_written_outside_the_environments_root(smoke):
    assert [path.name for path in (smoke.path / "data").iterdir()] == ["smoke"]
    leftovers = [path for path in smoke.data.rglob("*") if ".part" in path.name or ".old" in path.name]
    assert leftovers == []


def test_checkpoints_are_gone_when_their_trainings_are_finished(smoke):
    assert list((smoke.data / "06_models").glob("checkpoints/*")) == []


def test_metrics_have_every_figure(smoke):
    metrics = json.loads((smoke.data / "08_reporting" / "metrics.json").read_text(encoding="utf-8"))
    for group, names in FIGURES.items():
        found = metrics
        for part in group.split("."):
            found = found[part]
        assert names <= found.keys(), group
        assert all(isinstance(found[name], int | float) for name in names), group


def test_report_needs_no_other_file(smoke):
    report = (smoke.data / "08_reporting" / "report.html").read_text(encoding="utf-8")
    assert "data:image/png;base64," in report
    for reference in ('src="http', "src='http", 'href="http', "@import", "url(http"):
        assert reference not in report


def test_run_is_in_mlflow_with_curves_and_pictures(smoke):
    client, runs = tracked(smoke)
    run = runs[-1]
    assert run.info.run_name == "all@smoke"
    assert run.data.params["generator.vae.training.num_images"] == "1920"
    assert "text.vae.psnr" in run.data.metrics
    for curve in ("features/loss", "captioner/loss", "vae/loss", "prior/loss", "gan/loss_g"):
        assert len(client.get_metric_history(run.info.run_id, curve)) >= 2, curve
    keys = {file.path.partition("+")[0] for file in client.list_artifacts(run.info.run_id, "images")}
    samples = {f"images/{name}~sample_grid" for name in ("vae", "prior", "gan", "tokens")}
    assert {"images/evaluation~paths", *samples} <= keys
    models = {file.path for file in client.list_artifacts(run.info.run_id, "models")}
    assert {f"models/{name}" for name in ("captioner", "vae", "prior", "gan", "tokens")} <= models
    assert [file.path for file in client.list_artifacts(run.info.run_id, "report")] == ["report/report.html"]


def test_second_run_goes_on_from_what_is_there(again):
    answer = again.kedro("run", "--env", "smoke", "--only-missing-outputs", LEXIPIX_MLFLOW="0")
    assert answer.returncode == 0, answer.stderr
    assert "Running node" not in answer.stderr

    sheet = again.data / "08_reporting" / "sample_grids" / "vae.png"
    before = sheet.read_bytes()
    sheet.unlink()
    answer = again.kedro("run", "--env", "smoke", "--only-missing-outputs")
    assert answer.returncode == 0, answer.stderr
    assert answer.stderr.count("Running node") == 1
    assert "Running node: train_vae" in answer.stderr
    assert sheet.read_bytes() == before


def test_language_model_with_another_tokenizer_stops_before_the_first_node(smoke):
    answer = smoke.kedro(
        "run", "--env=smoke",
        "--params=captioner.language_model.source=pretrained,captioner.language_model.path=models/gpt2",
    )  # fmt: skip
    assert answer.returncode == 1
    assert "set features.tokenizer to models/gpt2" in answer.stderr
    assert "Running node" not in answer.stderr


def execute(smoke, name, monkeypatch):
    monkeypatch.setenv("KEDRO_ENV", "smoke")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setenv("PYTHONPATH", str(smoke.path / "src"))
    folder = smoke.path / "notebooks"
    notebook = nbformat.read(folder / name, as_version=4)
    NotebookClient(
        notebook, timeout=240, kernel_name="python3", resources={"metadata": {"path": str(folder)}}
    ).execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    image_splits = sum("image/png" in output.get("data", {}) for output in outputs)
    return notebook, image_splits


def test_walkthrough_goes_from_the_list_of_runs_to_new_pictures(smoke, monkeypatch):
    _, image_splits = execute(smoke, "walkthrough.ipynb", monkeypatch)
    assert image_splits == 12  # 6 sheets, 5 trainings, what the champion drew


def test_comparison_shows_two_runs(again, monkeypatch):
    if len(tracked(again)[1]) < 2:  # when this test runs alone
        assert again.kedro("run", "--env", "smoke", "--nodes", "train_vae").returncode == 0
    _, image_splits = execute(again, "compare_runs.ipynb", monkeypatch)
    assert image_splits >= 2  # the curves, and a pair of pictures for each key that both have


@pytest.mark.parametrize("name", ["walkthrough.ipynb", "compare_runs.ipynb"])
def test_notebooks_are_kept_without_outputs(name):
    notebook = nbformat.read(REPOSITORY / "notebooks" / name, as_version=4)
    assert all(not cell.get("outputs") for cell in notebook.cells)
    assert (REPOSITORY / "notebooks" / name).stat().st_size < 20_000
