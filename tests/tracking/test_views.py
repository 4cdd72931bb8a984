"""What an experiment in MLflow shows first, and tables with thumbnails; in a browser: test_mlflow_ui."""

import json

import mlflow
import numpy as np
import pandas as pd
import pytest

from lexipix.tracking import run as tracking
from lexipix.tracking.tables import log_table
from lexipix.tracking.views import COLUMNS, PICTURES, SECTIONS, VIEW_TAG, addresses, experiment_tags

NOTE = "mlflow.note.content"


@pytest.fixture
def run_once(empty_mlflow_store, tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", empty_mlflow_store)

    def run_once():
        run = tracking.TrackedRun(tmp_path, {"env": "smoke"}, {})
        run.end("FINISHED")
        return mlflow.MlflowClient(empty_mlflow_store).get_experiment_by_name("lexipix-smoke")

    return run_once


def test_an_experiment_has_its_views_after_the_first_run(run_once):
    experiment = run_once()
    assert experiment.tags == experiment_tags(experiment.experiment_id)


def test_what_a_user_has_changed_stays_and_what_is_missing_comes(run_once, empty_mlflow_store):
    experiment = run_once()
    client = mlflow.MlflowClient(empty_mlflow_store)
    client.set_experiment_tag(experiment.experiment_id, NOTE, "ours")
    client.delete_experiment_tag(experiment.experiment_id, f"{VIEW_TAG}{PICTURES}")
    tags = run_once().tags
    assert tags[NOTE] == "ours"
    assert f"{VIEW_TAG}{PICTURES}" in tags


def test_views_fit_into_a_tag_and_name_what_the_ui_reads():
    tags = experiment_tags("1" * 18)  # a shared server's ids are that long
    assert max(map(len, tags.values())) <= 5000
    view = json.loads(tags[f"{VIEW_TAG}{PICTURES}"])
    state = json.loads(view["state"])
    assert state["selectedColumns"] == [f"metrics.`{name}`" for name in COLUMNS]
    sections = {section["uuid"] for section in state["compareRunSections"]}
    assert {chart["metricSectionId"] for chart in state["compareRunCharts"]} == sections
    shown = [key for keys, _ in SECTIONS.values() for key in keys]
    assert [chart["imageKeys"] for chart in state["compareRunCharts"]] == [[key] for key in shown]


def test_addresses_are_those_of_our_experiments(run_once, empty_mlflow_store, tmp_path):
    assert addresses(empty_mlflow_store, "http://here") == {}
    experiment = run_once()
    (address,) = addresses(empty_mlflow_store, "http://here").values()
    assert address.startswith(f"http://here/#/experiments/{experiment.experiment_id}/runs?")
    missing = tmp_path / "none.db"
    assert addresses(f"sqlite:///{missing}", "http://here") == {}
    assert not missing.exists()


def test_a_table_keeps_one_file_for_each_thumbnail(empty_mlflow_store, tmp_path):
    mlflow.set_tracking_uri(empty_mlflow_store)
    experiment = mlflow.create_experiment("tables", artifact_location=(tmp_path / "artifacts").as_uri())
    image_splits = list(np.random.default_rng(0).integers(0, 256, (3, 4, 4, 3), np.uint8))
    table = pd.DataFrame({"what it is": image_splits, "caption": ["a", "b", "c"]})
    client = mlflow.MlflowClient(empty_mlflow_store)
    run = client.create_run(experiment)
    log_table(client, run.info.run_id, table, "captions/test.json")
    log_table(client, run.info.run_id, table[["caption"]], "captions/plain.json")
    files = [file.path for file in client.list_artifacts(run.info.run_id, "table_images/captions/test")]
    loaded = client.load_table(experiment, "captions/test.json")
    assert [cell["filepath"] for cell in loaded["what it is"]] == sorted(files)
    assert len(files) == 3
    assert loaded["caption"].tolist() == ["a", "b", "c"]
    tables = json.loads(client.get_run(run.info.run_id).data.tags["mlflow.loggedArtifacts"])
    assert {table["path"] for table in tables} == {"captions/test.json", "captions/plain.json"}
