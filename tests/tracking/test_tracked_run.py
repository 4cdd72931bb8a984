"""What one whole run leaves in MLflow: the same keys in every run, and few files."""

import json
from collections import Counter

import mlflow
import pytest

DRAWING = ("vae", "prior", "gan", "image_tokenizer", "tokens", "small")
IMAGES = {
    "ingestion/sample", "captioner/attention", "compression/frontier",
    "evaluation/paths", "evaluation/reconstructions", "evaluation/memorization", "evaluation/rate",
    "evaluation/information",
    *(f"{name}/{kind}" for name in DRAWING for kind in ("samples", "sample_grid")),
    "pruned/sample_grid",  # empty: no variant of the smoke run is pruned
}  # fmt: skip
# 95 of 194 are the models; an image of the grid takes two, a thumbnail of the captions table one
MOST_FILES = 200


@pytest.fixture(scope="module")
def client(smoke):
    return mlflow.MlflowClient(tracking_uri=f"sqlite:///{smoke.path / 'mlflow.db'}")


@pytest.fixture(scope="module")
def run(client):
    experiment = client.get_experiment_by_name("lexipix-smoke")
    first, *_ = client.search_runs([experiment.experiment_id], order_by=["attributes.start_time ASC"])
    assert first.info.run_name == "all@smoke"
    return first


def files(client, run, folder=None):
    for file in client.list_artifacts(run.info.run_id, folder):
        if file.is_dir:
            yield from files(client, run, file.path)
        else:
            yield file.path


def test_pictures_have_the_same_keys_in_every_run(client, run):
    steps = Counter()
    for path in files(client, run, "images"):
        key, found, _ = path.removeprefix("images/").partition("+step+")
        assert found, path
        steps[key.replace("~", "/")] += path.endswith(".png")
    assert set(steps) == IMAGES
    # A slider needs steps: before training, and at each report
    assert min(steps[f"{name}/samples"] for name in ("vae", "prior", "gan")) >= 3


def test_captions_table_report_and_system_metrics_are_there(client, run):
    kept = set(files(client, run))
    assert {"captions/test.json", "report/report.html"} <= kept
    table = json.loads(mlflow.artifacts.load_text(f"{run.info.artifact_uri}/captions/test.json"))
    cells = [dict(zip(table["columns"], row, strict=True)) for row in table["data"]]
    assert {cell["shown"] for cell in cells} == {"fixed", "best", "worst"}
    assert {cell[column]["filepath"] for cell in cells for column in ("picture", "drawn")} <= kept
    assert all(isinstance(cell["caption"], str) and isinstance(cell["truth"], str) for cell in cells)
    assert {"system/cpu_utilization_percentage", "system/system_memory_usage_megabytes"} <= set(
        run.data.metrics
    )


def test_a_run_keeps_few_files(client, run):
    counts = Counter(path.partition("/")[0] for path in files(client, run))
    assert counts.total() <= MOST_FILES, counts


def test_the_runs_page_begins_with_its_command_and_links(run):
    command, _, links, *_ = run.data.tags["mlflow.note.content"].splitlines()
    assert command == "`kedro run --env smoke`"
    place = f"#/experiments/{run.info.experiment_id}/runs/{run.info.run_id}/artifacts"
    assert f"[captions]({place}/captions/test.json?" in links
    assert f"[report]({place}/report/report.html?" in links
