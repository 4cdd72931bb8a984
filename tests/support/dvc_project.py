"""A project of DVC's whose every stage has run, as the tests of DVC need it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import yaml
from kedro.config import OmegaConfigLoader
from tests.support.project import REPOSITORY, Project, copy_project, environment_without_settings

from lexipix.settings import CONFIG_LOADER_ARGS

STAGES = (
    "ingestion", "features", "captioner", "generator_vae", "generator_prior", "generator_gan",
    "generator_visual_words", "generator_words", "compression", "evaluation",
)  # fmt: skip


def record(smoke: Project, path: Path) -> Path:
    """Make a git project whose base environment has the smoke run's parameters and results.

    Its results are committed to DVC as if ``dvc repro`` had made them.
    """
    copy_project(path)
    for name in (".dvc/config", ".dvc/.gitignore", "data/01_raw/cifar-10-python.tar.gz.dvc"):
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(REPOSITORY / name, path / name)
    shutil.copytree(smoke.data, path / "data", dirs_exist_ok=True)
    shutil.copy(smoke.path / "mlflow.db", path)
    loader = OmegaConfigLoader(conf_source=str(path / "conf"), env="smoke", **CONFIG_LOADER_ARGS)
    for section, values in loader["parameters"].items():
        name = "parameters.yml" if section == "run" else f"parameters_{section}.yml"
        (path / "conf" / "base" / name).write_text(yaml.safe_dump({section: values}), encoding="utf-8")
    git(path, "init", "--quiet")
    introduce(path)
    dvc(path, "commit", "--force", "--quiet", "dvc.yaml")
    save(path, "All stages have run")
    return path


def introduce(project: Path) -> None:
    """Tell git, in this project, who commits."""
    git(project, "config", "user.name", "Test")
    git(project, "config", "user.email", "test@example.org")


def save(project: Path, message: str) -> None:
    """Commit everything that is not ignored."""
    git(project, "add", "--all")
    git(project, "commit", "--quiet", "--message", message)


def git(project: Path, *arguments: str) -> str:
    """Run git in a project; give what it says."""
    return _run(project, {}, "git", *arguments).stdout


def dvc(project: Path, *arguments: str, **environment: str) -> str:
    """Run DVC in a project, as in an activated virtual environment; give what it says."""
    return _run(project, environment, sys.executable, "-m", "dvc", *arguments).stdout


def dvc_and_log(project: Path, *arguments: str) -> str:
    """The same, with what the stages log behind it."""
    answer = _run(project, {}, sys.executable, "-m", "dvc", *arguments)
    return answer.stdout + answer.stderr


def stages_run(said: str) -> list[str]:
    """The stages that DVC ran, from what it said."""
    lines = [line for line in said.splitlines() if line.startswith("Running stage ")]
    return [line.split("'")[1] for line in lines]


def _run(project: Path, more: dict[str, str], *command: str) -> subprocess.CompletedProcess[str]:
    environment = environment_without_settings() | more
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
    answer = subprocess.run(
        command, cwd=project, env=environment, capture_output=True, text=True, check=False
    )
    assert answer.returncode == 0, answer.stdout + answer.stderr
    return answer
