"""What MLflow knows of a ``dvc repro``: one parent for its stages, and who made what DVC only restored."""

import shutil

import mlflow
import pytest
from tests.support.dvc_project import dvc
from tests.support.project import commit_all, copy_project, run_kedro

# Two stages that take seconds, in place of those of the real dvc.yaml
STAGES = """
vars:
  - environments:
      smoke: {data: data/smoke}
stages:
  ingest:
    foreach: ${environments}
    do:
      cmd: kedro run --env ${key} --nodes ingest
      params:
        - conf/${key}/parameters_ingestion.yml: [ingestion]
      outs:
        - ${item.data}/03_primary/images
  describe:
    foreach: ${environments}
    do:
      cmd: kedro run --env ${key} --nodes describe_images
      deps:
        - ${item.data}/03_primary/images
      outs:
        - ${item.data}/03_primary/rejects.csv
        - ${item.data}/03_primary/summary.json
      plots:
        - ${item.data}/08_reporting/ingestion_sheet.png
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A project in which one ``dvc repro`` has run both stages."""
    path = copy_project(tmp_path_factory.mktemp("lineage"))
    (path / "dvc.yaml").write_text(STAGES, encoding="utf-8")
    commit_all(path)
    dvc(path, "init", "--quiet")
    dvc(path, "repro", "describe@smoke")
    return path


@pytest.fixture
def runs(project):
    """Gives the runs of the store, the first one first."""

    def found():
        client = mlflow.MlflowClient(tracking_uri=f"sqlite:///{project / 'mlflow.db'}")
        experiment = client.get_experiment_by_name("lexipix-smoke")
        return sorted(client.search_runs([experiment.experiment_id]), key=lambda run: run.info.start_time)

    return found


def test_stages_of_one_repro_have_one_parent_with_their_figures(runs):
    parent, ingest, describe = runs()
    assert parent.info.run_name == "dvc repro@smoke"
    assert parent.info.status == "FINISHED"
    for stage, name in ((ingest, "ingest"), (describe, "describe")):
        assert stage.data.tags["mlflow.parentRunId"] == parent.info.run_id
        assert stage.data.tags["dvc.stage"] == f"{name}@smoke"
        assert stage.info.run_name == f"{stage.data.tags['command'].split()[-1]}@smoke"
        assert stage.data.metrics.keys() <= parent.data.metrics.keys()
        assert stage.data.params.items() <= parent.data.params.items()
    assert describe.data.tags["made_from"] == ingest.info.run_id
    assert f"/runs/{ingest.info.run_id}" in describe.data.tags["mlflow.note.content"]


def test_the_parent_is_done_again_stage_by_stage(project, runs):
    answer = run_kedro(project, "reproduce", runs()[0].info.run_id)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert "Reproduced: 4 identical." in answer.stdout


def test_what_dvc_restores_is_linked_to_the_runs_that_made_it(project, runs):
    before = runs()
    answer = run_kedro(project, "dvc", "link")
    assert answer.returncode == 0, answer.stderr
    assert len(runs()) == len(before), "the last repro has its run already"
    made = {"dvc.made.ingest": before[1].info.run_id, "dvc.made.describe": before[2].info.run_id}
    assert made.items() <= runs()[0].data.tags.items()

    (project / "dvc.lock").unlink()
    shutil.rmtree(project / "data" / "smoke" / "03_primary")
    said = dvc(project, "repro", "describe@smoke")
    assert "Running stage" not in said and "is cached" in said
    assert len(runs()) == len(before), "what is restored runs nothing"
    # Another record, as after a checkout of an earlier revision
    lock = project / "dvc.lock"
    text = lock.read_text(encoding="utf-8")
    assert "--nodes ingest" in text
    lock.write_text(text.replace("--nodes ingest", "--nodes=ingest"), encoding="utf-8")
    answer = run_kedro(project, "dvc", "link")
    assert answer.returncode == 0, answer.stderr
    assert f"smoke: describe was made by run {before[2].info.run_id} (describe_images@smoke)" in answer.stdout
    *_, restored = runs()
    assert len(runs()) == len(before) + 1
    assert made.items() <= restored.data.tags.items()
    assert before[2].data.metrics.keys() <= restored.data.metrics.keys()
