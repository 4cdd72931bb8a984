"""Start-up time of Kedro's commands and an up-to-date `dvc repro`, beside a nearly empty project."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path

from kedro import __version__ as kedro_version
from record import REPOSITORY, Row
from turns import comparison, take_turns

LAST_STAGE = "evaluation@base"  # `dvc repro` of it includes every stage of the scenes
LEAVE_OUT = shutil.ignore_patterns(
    ".git", ".venv", "mlartifacts", "mlflow.db*", "__pycache__", ".*_cache", "tmp", "cache"
)


def startup(folder: Path, repeats: int) -> list[Row]:
    """Measure `kedro --help`, a run of a small stage, and `dvc repro` with nothing to do."""
    ours, theirs = copy_of_this(folder / "lexipix"), bare_project(folder / "bare")
    small = ["kedro", "run", "--env", "smoke", "--pipelines", "ingestion"]
    compared = [
        ("kedro --help", ["kedro", "--help"], ["kedro", "--help"], "bare Kedro project"),
        ("kedro run, 656 scenes and an MLflow run", small, ["kedro", "run"], "bare Kedro project, one node"),
        (
            "dvc repro, all stages up to date",
            ["dvc", "repro", LAST_STAGE],
            ["dvc", "repro"],
            "the same, one stage",
        ),
    ]
    rows = []
    for name, here, there, instead in compared:
        calls = {"ours": partial(run, ours, *here), "theirs": partial(run, theirs, *there)}
        seconds = take_turns(calls, repeats)
        rows.append(comparison(name, "s", seconds["ours"], instead, seconds["theirs"]))
    return rows


def run(project: Path, module: str, *arguments: str) -> str:
    """Run a command of this interpreter's environment in a project and return its output.

    Raises:
        SystemExit: The command failed.
    """
    not_here = ("MLFLOW_TRACKING_URI", "LEXIPIX_MLFLOW")
    environment = {name: value for name, value in os.environ.items() if name not in not_here}
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment.get('PATH', '')}"
    environment["PYTHONPATH"] = str(project / "src")
    environment |= {"DO_NOT_TRACK": "1", "KEDRO_DISABLE_TELEMETRY": "1", "DVC_NO_ANALYTICS": "1"}
    answer = subprocess.run(
        [sys.executable, "-m", module, *arguments],
        cwd=project, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if answer.returncode:
        raise SystemExit(f"{module} {' '.join(arguments)} failed:\n{answer.stdout}{answer.stderr}")
    return answer.stdout


def copy_of_this(target: Path) -> Path:
    """Copy this project with a tiny file for every result of the scenes, recorded by DVC as up to date."""

    def ignore(folder: str, names: list[str]) -> set[str]:
        data = {"data"} if Path(folder) == REPOSITORY else set()  # src/lexipix/data is code
        return LEAVE_OUT(folder, names) | data

    shutil.copytree(REPOSITORY, target, ignore=ignore)
    _record(target)
    for path in results(target):
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix:
            path.write_text("{}\n", encoding="utf-8")
        else:
            path.mkdir(exist_ok=True)
            (path / "result.json").write_text("{}\n", encoding="utf-8")
    run(target, "dvc", "commit", "--force", "--quiet", "--with-deps", LAST_STAGE)
    return target


def results(project: Path) -> list[Path]:
    """Return the paths of everything that the stages of the scenes write."""
    from dvc.repo import Repo

    with Repo(str(project)) as repo:
        stages = repo.stage.collect(f"{project / 'dvc.yaml'}:{LAST_STAGE}", with_deps=True)
        return [Path(out.fs_path) for stage in stages for out in stage.outs]


def bare_project(target: Path) -> Path:
    """Make a Kedro project with one node, and one DVC stage that has run."""
    files = {
        "pyproject.toml": "[tool.kedro]\npackage_name = 'bare'\nproject_name = 'bare'\n"
        f"kedro_init_version = '{kedro_version}'\nsource_dir = 'src'\n",
        "conf/base/catalog.yml": "",
        "conf/base/parameters.yml": "answer: 42\n",
        "conf/local/.gitkeep": "",
        "src/bare/__init__.py": "",
        "src/bare/settings.py": "",
        "src/bare/pipeline_registry.py": "from kedro.pipeline import Pipeline, node\n\n\n"
        "def register_pipelines():\n"
        "    return {'__default__': Pipeline([node(abs, 'params:answer', 'same', name='same')])}\n",
        "dvc.yaml": "stages:\n  copy:\n    cmd: cp conf/base/parameters.yml copied.yml\n"
        "    deps: [conf/base/parameters.yml]\n    outs: [copied.yml]\n",
    }
    for name, text in files.items():
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        (target / name).write_text(text, encoding="utf-8")
    _record(target)
    run(target, "dvc", "repro", "--quiet")
    return target


def _record(project: Path) -> None:
    shutil.rmtree(project / ".dvc", ignore_errors=True)
    run(project, "dvc", "init", "--no-scm", "--quiet")
