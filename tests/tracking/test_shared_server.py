"""Runs and models on a shared server: PostgreSQL behind it, artifacts in an S3-compatible store."""

import mlflow
import pytest
from PIL import Image, ImageChops
from tests.support.project import copy_project, run_kedro
from tests.support.shared_server import shared_mlflow

from lexipix.cli.project_context import ProjectContext
from lexipix.tracking.registry import CHAMPION, Evaluation, register


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """The server's address, and the bucket behind it."""
    with shared_mlflow(tmp_path_factory.mktemp("shared")) as found:
        yield found


@pytest.fixture
def client(shared):
    """A client of the shared server, which is also the process's own while a test runs."""
    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(shared[0])
    yield mlflow.MlflowClient(shared[0])
    mlflow.set_tracking_uri(before)


def test_run_and_its_artifacts_are_there(shared, client, tmp_path):
    project = copy_project(tmp_path / "project")
    answer = run_kedro(
        project, "run", "--env=smoke", "--pipelines=ingestion",
        "--params=ingestion.source.scenes.n_train=40", MLFLOW_TRACKING_URI=shared[0],
    )  # fmt: skip
    assert answer.returncode == 0, answer.stderr
    assert "Tracking:" not in answer.stderr  # how a copy that failed would be told
    experiment = client.get_experiment_by_name("lexipix-smoke")
    (run,) = client.search_runs([experiment.experiment_id])
    assert (run.info.run_name, run.info.status) == ("ingestion@smoke", "FINISHED")
    assert run.data.params["ingestion.source.scenes.n_train"] == "40"
    (data_set,) = run.inputs.dataset_inputs
    assert data_set.dataset.name == "scenes"
    sheet = project / "data" / "smoke" / "08_reporting" / "ingestion_sheet.png"
    files = [file.path for file in client.list_artifacts(run.info.run_id, "images")]
    (name,) = (
        path for path in files if path.startswith("images/ingestion~sample+") and path.endswith(".png")
    )
    copy = client.download_artifacts(run.info.run_id, name, str(tmp_path))
    with Image.open(copy) as logged, Image.open(sheet) as saved:
        assert ImageChops.difference(logged, saved).getbbox() is None
    assert any(item.key.endswith(name) for item in shared[1].objects.all())
    assert all(version.run_id != run.info.run_id for version in client.search_model_versions())
    assert not (project / "mlflow.db").exists()
    assert not (project / "mlartifacts").exists()


def test_models_are_registered_there_and_can_be_used(smoke, shared, client):
    context = ProjectContext(smoke.path, "smoke")
    mlflow.set_experiment("lexipix-smoke")
    with mlflow.start_run() as run:
        found = Evaluation(
            run.info.run_id, "smoke", "abc", context.load("metrics"), context.parameters, context.path
        )
        register(found)
    model = mlflow.pyfunc.load_model(f"models:/lexipix-generator-smoke@{CHAMPION}")
    (row,) = model.predict([{"prompt": "a big red circle at the left on white"}], params={"seed": 3})
    assert (row["seed"], row["png"][:5]) == (3, "iVBOR")
    assert any(item.key.endswith("/draw.onnx") for item in shared[1].objects.all())
