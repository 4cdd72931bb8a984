"""A DVC project in which every stage of the base environment has run."""

import shutil
import subprocess
import sys
from pathlib import Path

import yaml
from dvc.repo import Repo
from kedro.config import OmegaConfigLoader
from tests.support.project import REPOSITORY, Project, activated_environment, copy_project

from lexipix.settings import CONFIG_LOADER_ARGS

STAGES = (
    "ingestion", "features", "captioner", "generator_vae", "generator_prior", "generator_gan",
    "generator_image_tokenizer", "generator_tokens", "compression", "evaluation",
)  # fmt: skip
LAST = "evaluation@base"  # depends on every other stage of the environment


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
    dvc(path, "commit", "--force", "--quiet", "--with-deps", LAST)
    save(path, "All stages have run")
    return path


def make_placeholders(path: Path) -> Path:
    """Make a project in which every stage of the base environment counts as run, with placeholder outputs.

    It is enough to ask DVC which stages a change concerns.
    """
    copy_project(path)
    for stage in yaml.safe_load((path / "dvc.yaml").read_text(encoding="utf-8"))["stages"].values():
        for name in ("outs", "metrics", "plots"):
            for item in stage["do"].get(name, []):
                output = item if isinstance(item, str) else next(iter(item))
                file = path / output.replace("${item.images}", "data/03_primary/images").replace(
                    "${item.data}", "data"
                )
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(file.name, encoding="utf-8")
    git(path, "init", "--quiet")
    dvc(path, "init", "--quiet")
    dvc(path, "commit", "--force", "--quiet", "--with-deps", LAST)
    return path


def changed_stages(project: Path) -> set[str]:
    """The stages of the base environment whose own parameters or files have changed, as in `dvc status`."""
    with Repo(str(project)) as repository:
        found = repository.status(targets=[f"{project / 'dvc.yaml'}:{stage}@base" for stage in STAGES])
    return {name.rpartition(":")[2].removesuffix("@base") for name in found}


def change_parameter(project: Path, section: str, path: str, value: object) -> tuple[Path, str]:
    """Change a parameter of the base environment; returns its file and the file's text before."""
    file = project / "conf" / "base" / f"parameters_{section}.yml"
    before = file.read_text(encoding="utf-8")
    data = yaml.safe_load(before)
    *groups, leaf = path.split(".")
    inner = data[section]
    for group in groups:
        inner = inner[group]
    assert inner[leaf] != value
    inner[leaf] = value
    file.write_text(yaml.safe_dump(data), encoding="utf-8")
    return file, before


def introduce(project: Path) -> None:
    """Set the author of commits in a project."""
    git(project, "config", "user.name", "Test")
    git(project, "config", "user.email", "test@example.org")


def save(project: Path, message: str) -> None:
    """Commit everything that is not ignored."""
    git(project, "add", "--all")
    git(project, "commit", "--quiet", "--message", message)


def git(project: Path, *arguments: str) -> str:
    """The output of a git command in a project."""
    return _run(project, {}, "git", *arguments).stdout


def dvc(project: Path, *arguments: str, **environment: str) -> str:
    """The output of a DVC command in a project, run as in an activated virtual environment."""
    return _run(project, environment, sys.executable, "-m", "dvc", *arguments).stdout


def dvc_and_log(project: Path, *arguments: str) -> str:
    """The same, followed by the log of the stages."""
    answer = _run(project, {}, sys.executable, "-m", "dvc", *arguments)
    return answer.stdout + answer.stderr


def stages_run(said: str) -> list[str]:
    """The stages of the base environment that DVC ran, from its output."""
    lines = [line for line in said.splitlines() if line.startswith("Running stage ")]
    return [line.split("'")[1].removesuffix("@base") for line in lines]


def _run(project: Path, more: dict[str, str], *command: str) -> subprocess.CompletedProcess[str]:
    environment = activated_environment() | more
    answer = subprocess.run(
        command, cwd=project, env=environment, capture_output=True, text=True, check=False
    )
    assert answer.returncode == 0, answer.stdout + answer.stderr
    return answer
