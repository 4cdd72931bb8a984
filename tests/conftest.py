"""What tests share. Nothing here needs a network, an accelerator or an earlier run."""

import os
import shutil
import sys
from pathlib import Path

import pytest
from filelock import FileLock
from hypothesis import HealthCheck, settings
from tests.support.browser import CHROMIUM, NO_CHROMIUM, chromium
from tests.support.project import Project, new_clone, run_kedro

for name, value in {
    "DO_NOT_TRACK": "1",
    "KEDRO_DISABLE_TELEMETRY": "1",
    "DVC_NO_ANALYTICS": "1",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_OFFLINE": "1",
}.items():
    os.environ[name] = value
if "PYTEST_XDIST_WORKER" in os.environ:  # threads that wait for each other's cores take longer than one
    os.environ["OMP_NUM_THREADS"] = "1"

# Files of minutes come first, so that no worker is without work at the end. The first one makes the
# finished project for all; the next three do not need it and run meanwhile.
LONG = (
    "test_campaigns.py", "test_dvc_lineage.py", "test_cost_estimate.py", "test_dry_run.py",
    "test_dvc_experiments.py", "test_docs.py", "test_dvc_repro.py", "test_rerun.py", "test_smoke.py",
    "test_mlflow_ui.py", "test_run.py", "test_dvc_remotes.py", "test_shared_server.py", "test_serving.py",
)  # fmt: skip


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the long files first; the order within a file, and among the others, stays."""
    places = {name: place for place, name in enumerate(LONG)}
    items.sort(key=lambda item: places.get(item.path.name, len(LONG)))


# How fast a busy machine makes up its examples is no property of what is tested.
settings.register_profile("lexipix", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("lexipix")


@pytest.fixture(autouse=True)
def _paths_as_they_were():
    """A registered model brings modules of ours along, which no later test and no process of one may find."""
    before = list(sys.path)
    yield
    sys.path[:] = before


@pytest.fixture(scope="session")
def _migrated_mlflow_store(tmp_path_factory):
    """An MLflow store without runs; creating its tables takes seconds, copying them nothing."""
    import mlflow

    path = tmp_path_factory.mktemp("mlflow") / "mlflow.db"
    mlflow.MlflowClient(tracking_uri=f"sqlite:///{path}").search_experiments()
    return path


@pytest.fixture
def empty_mlflow_store(_migrated_mlflow_store, tmp_path, monkeypatch):
    """Address of a fresh MLflow store in ``tmp_path``, which lacks the experiment that another test chose."""
    monkeypatch.setattr("mlflow.tracking.fluent._active_experiment_id", None)
    monkeypatch.delenv("MLFLOW_EXPERIMENT_ID", raising=False)
    shutil.copy(_migrated_mlflow_store, tmp_path / "mlflow.db")
    return f"sqlite:///{tmp_path / 'mlflow.db'}"


@pytest.fixture(scope="session")
def browser():
    """A browser; a process can have one only."""
    if CHROMIUM is None:
        pytest.skip(NO_CHROMIUM)
    with chromium() as running:
        yield running


@pytest.fixture(scope="session")
def shared_folder(tmp_path_factory) -> Path:
    """A folder that all workers share."""
    place = tmp_path_factory.getbasetemp()
    return place.parent if "PYTEST_XDIST_WORKER" in os.environ else place


@pytest.fixture(scope="session")
def smoke(shared_folder) -> Project:
    """The whole chain, once for all tests that look at what it made; none of them changes what lies there."""
    path, log = shared_folder / "smoke", shared_folder / "smoke.log"
    with FileLock(shared_folder / "smoke.lock"):
        if not log.is_file():
            new_clone(path)
            answer = run_kedro(path, "run", "--env", "smoke")
            log.write_text(f"{answer.returncode}\n{answer.stdout}{answer.stderr}", encoding="utf-8")
    code, _, said = log.read_text(encoding="utf-8").partition("\n")
    if code != "0":
        pytest.fail(f"kedro run --env smoke ended with {code}:\n{said[-6000:]}", pytrace=False)
    return Project(path, said)


@pytest.fixture(scope="session")
def recorded(smoke, shared_folder) -> Path:
    """A git project in which DVC knows every stage as run; tests work in copies of it."""
    from tests.support.dvc_project import record

    path, done = shared_folder / "recorded", shared_folder / "recorded.done"
    with FileLock(shared_folder / "recorded.lock"):
        if not done.is_file():
            record(smoke, path)
            done.touch()
    return path
