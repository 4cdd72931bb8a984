"""What tests share. Nothing here needs a network, an accelerator or an earlier run."""

import os
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from filelock import FileLock
from hypothesis import HealthCheck, settings

REPOSITORY = Path(__file__).parents[1]

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

# Minutes each: begun first, they leave no process of a run of tests without work at its end. The second needs
# no finished project, while the first makes it for all.
LONG = (
    "test_interruption.py", "test_parallel.py", "test_reproduce.py", "test_docs.py",
    "test_dvc_experiments.py",
    "test_smoke.py", "test_mlflow_ui.py", "test_dvc_lineage.py", "test_serving.py",
)  # fmt: skip


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the long files first; the order within a file, and among the others, stays."""
    places = {name: place for place, name in enumerate(LONG)}
    items.sort(key=lambda item: places.get(item.path.name, len(LONG)))


# How fast a busy machine makes up its examples is no property of what is tested.
settings.register_profile("lexipix", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("lexipix")


def listen_to_interrupts() -> None:
    """Let a child process hear Ctrl-C, which a shell that runs the tests in the background has it ignore."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


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
def empty_mlflow_store(_migrated_mlflow_store, tmp_path):
    """Address of a fresh MLflow store in ``tmp_path``."""
    shutil.copy(_migrated_mlflow_store, tmp_path / "mlflow.db")
    return f"sqlite:///{tmp_path / 'mlflow.db'}"


@dataclass(frozen=True)
class Project:
    """A copy of the project in which a whole run of the ``smoke`` environment has finished."""

    path: Path
    said: str

    @property
    def data(self) -> Path:
        return self.path / "data" / "smoke"

    def kedro(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run the real command line in it."""
        return run_kedro(self.path, *arguments, **environment)


def copy_project(target: Path) -> Path:
    """Copy what is needed to run the project."""
    for name in ("conf", "src", "notebooks"):
        shutil.copytree(
            REPOSITORY / name, target / name, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info")
        )
    for path in (target / "conf" / "local").glob("*.yml"):  # a developer's own settings are no part of it
        path.unlink()
    for name in ("pyproject.toml", "requirements.lock", ".telemetry", "dvc.yaml", ".dvcignore", ".gitignore"):
        shutil.copy(REPOSITORY / name, target / name)
    return target


def commit_all(project: Path) -> None:
    """Put a copy of the project under version control, as a clone is."""
    git = ["git", "-c", "user.name=Test", "-c", "user.email=test@example.org"]
    for words in (["init", "--quiet"], ["add", "--all"], ["commit", "--quiet", "--message", "As copied"]):
        subprocess.run([*git, *words], cwd=project, check=True, capture_output=True)


def environment_without_settings() -> dict[str, str]:
    """This process's environment without what a developer may have set for runs of their own."""
    unset = {"MLFLOW_TRACKING_URI", "LEXIPIX_MLFLOW", "DVC_ROOT", "KEDRO_ENV", "PYTHONPATH"}
    return {name: value for name, value in os.environ.items() if name not in unset}


def run_kedro(project: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run Kedro's command line in a project, with its own MLflow store."""
    return subprocess.run(
        [sys.executable, "-m", "kedro", *arguments],
        cwd=project,
        env=environment_without_settings() | environment,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="session")
def smoke(tmp_path_factory) -> Project:
    """The whole chain, once for all tests that look at what it made; none of them changes what lies there."""
    place = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:  # one folder up is what all workers share
        place = place.parent
    path, log = place / "smoke", place / "smoke.log"
    with FileLock(place / "smoke.lock"):
        if not log.is_file():
            path.mkdir()
            copy_project(path)
            commit_all(path)
            answer = run_kedro(path, "run", "--env", "smoke")
            log.write_text(f"{answer.returncode}\n{answer.stdout}{answer.stderr}", encoding="utf-8")
    code, _, said = log.read_text(encoding="utf-8").partition("\n")
    if code != "0":
        pytest.fail(f"kedro run --env smoke ended with {code}:\n{said[-6000:]}", pytrace=False)
    return Project(path, said)


@pytest.fixture(scope="session")
def recorded(smoke, tmp_path_factory) -> Path:
    """A git project in which DVC knows every stage as run; tests work in copies of it."""
    from .dvc_project import record

    return record(smoke, tmp_path_factory.mktemp("recorded") / "project")
