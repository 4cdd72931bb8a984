"""Copies of the project, and the real command line in them."""

import os
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import yaml

REPOSITORY = Path(__file__).parents[2]


def listen_to_interrupts() -> None:
    """Let a child process hear Ctrl-C, which a shell that runs the tests in the background has it ignore."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


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


def new_clone(target: Path) -> Path:
    """A copy of the project under version control."""
    target.mkdir(parents=True, exist_ok=True)
    copy_project(target)
    commit_all(target)
    return target


def commit_all(project: Path) -> None:
    """Put a copy of the project under version control, as a clone is."""
    git = ["git", "-c", "user.name=Test", "-c", "user.email=test@example.org"]
    for words in (["init", "--quiet"], ["add", "--all"], ["commit", "--quiet", "--message", "As copied"]):
        subprocess.run([*git, *words], cwd=project, check=True, capture_output=True)


def make_folder_environment_small(project: Path) -> None:
    """Give the environment ``folder`` networks as small as those of ``smoke``, and few variants.

    Its own generator stays: it is small, and retrieves images, which that of ``smoke`` does not.
    """
    for file in (project / "conf" / "smoke").glob("parameters*.yml"):
        if file.name not in ("parameters_ingestion.yml", "parameters_generator.yml"):
            shutil.copy(file, project / "conf" / "folder" / file.name)
    measure_few_variants(project, "folder")


def measure_few_variants(project: Path, env: str) -> None:
    """Let the compression of an environment export the generators only, without smaller networks."""
    file = project / "conf" / env / "parameters_compression.yml"
    parameters = yaml.safe_load(file.read_text(encoding="utf-8"))
    parameters["compression"]["variants"] = ["onnx_fp32", "onnx_int8"]
    file.write_text(yaml.safe_dump(parameters), encoding="utf-8")


def environment_without_settings() -> dict[str, str]:
    """This process's environment without what a developer may have set for runs of their own."""
    unset = {"MLFLOW_TRACKING_URI", "LEXIPIX_MLFLOW", "DVC_ROOT", "KEDRO_ENV", "PYTHONPATH"}
    return {name: value for name, value in os.environ.items() if name not in unset}


def activated_environment() -> dict[str, str]:
    """The same as in an activated virtual environment: its programs are found first."""
    environment = environment_without_settings()
    return environment | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"}


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
