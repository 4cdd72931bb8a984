"""Doing a tracked run again: code in a worktree, inputs by digest, the same command; then outputs compared.

A run of one ``dvc repro`` is done again stage by stage, in one worktree.
"""

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lexipix.repro import dvc_runs as repro
from lexipix.repro.by_digest import bring, find
from lexipix.repro.digests import dvc_digest, steady_digest
from lexipix.tracking import provenance
from lexipix.tracking.lineage import lock_digest, machine
from lexipix.tracking.run import CHANGES
from lexipix.utils.errors import LexipixError
from lexipix.utils.git import git

IDENTICAL, STEADY, MEASURED = "identical", "identical but for times", "measured anew"
DIFFERENT, MISSING = "different", "missing"
GOOD = (IDENTICAL, STEADY, MEASURED)


@dataclass(frozen=True)
class Stage:
    """A tracked run and what it takes to do it again.

    Attributes:
        run_id: The run.
        name: Of the run.
        status: How it ended.
        tags: Of the run.
        parameters: Of the run, flat.
        lineage: What ``lineage.json`` says; empty for a run without one.
        changes: What its code had over the revision; None if that was not kept.
    """

    run_id: str
    name: str
    status: str
    tags: Mapping[str, str]
    parameters: Mapping[str, str]
    lineage: Mapping[str, Any]
    changes: str | None

    @property
    def command(self) -> list[str]:
        """The words behind ``kedro``, with the choices that the run made by measured speeds.

        Of a run that left out what was there, the nodes that it did run.
        """
        words = shlex.split(self.tags["command"])[1:]
        if "--only-missing-outputs" in words:
            place = words.index("--only-missing-outputs")
            words[place : place + 1] = ["--nodes", ",".join(self.lineage["nodes"])]
        pins = ",".join(f"{key}={value}" for key, value in self.lineage["pins"].items())
        if pins and words[-1].startswith("--params="):
            return [*words[:-1], f"{words[-1]},{pins}"]
        return [*words, f"--params={pins}"] if pins else words


def stages(client: Any, run_id: str) -> list[Stage]:
    """The run, or the stages of the ``dvc repro`` that it stands for, the first one first.

    Args:
        client: An MLflow client.
        run_id: A run's id.

    Raises:
        LexipixError: There is no such run.
    """
    from mlflow.exceptions import MlflowException

    try:
        run = client.get_run(run_id)
    except MlflowException as error:
        raise LexipixError(
            f"There is no run {run_id!r} in {client.tracking_uri}: take the run id from the run's page "
            "(make ui), or set MLFLOW_TRACKING_URI to the store that has it."
        ) from error
    runs = [run]
    if repro.TAG in run.data.tags:
        found = client.search_runs([run.info.experiment_id], f"tags.`{repro.PARENT}` = '{run_id}'")
        if not found:  # DVC restored everything, and the runs that made it are linked
            linked = {value for key, value in run.data.tags.items() if key.startswith(repro.MADE)}
            found = [client.get_run(one) for one in linked]
        runs = sorted(found, key=lambda one: one.info.start_time)
    return [_stage(client, one) for one in runs]


def obstacles(project: Path, todo: Sequence[Stage]) -> list[str]:
    """Why the runs could not be done again, each with its mend; empty if they can."""
    found, made = [], set[str]()
    for stage in todo:
        found += [f"{stage.name}: {line}" for line in _obstacles(project, stage, made)]
        made |= set(stage.lineage.get("outputs", {}))
    return found if todo else ["the run has no stages: nothing had to be run"]


def remarks(todo: Sequence[Stage]) -> list[str]:
    """What may make the outputs differ: another machine, other versions of the libraries."""
    first, found = todo[0], []
    if first.tags.get("machine") != machine():
        found.append(
            f"it was made on another machine ({first.tags.get('machine')}; this is {machine()}): figures "
            "agree to some digits, bytes do not"
        )
    if first.tags.get("requirements.lock") != lock_digest():
        found.append(
            "requirements.lock has changed since: install that of the revision into a virtual environment "
            "and reproduce with its kedro"
        )
    return found


def prepare(project: Path, todo: Sequence[Stage], folder: Path) -> None:
    """Make the worktree: code, the user's own changes, inputs, pictures and models that parameters name.

    Args:
        project: The Kedro project.
        todo: What is done again.
        folder: Where; it must not exist.

    Raises:
        LexipixError: git cannot make a worktree there.
    """
    first = todo[0]
    folder.parent.mkdir(parents=True, exist_ok=True)
    _git(project, "worktree", "add", "--quiet", "--detach", str(folder), first.tags["git.revision"])
    if first.changes:
        _git(folder, "apply", "--whitespace=nowarn", "-", given=first.changes)
    made = set[str]()
    for stage in todo:
        for name, facts in stage.lineage["inputs"].items():
            if name not in made:
                bring(project, facts["path"], facts["md5"], folder / facts["path"])
        for path in _named_paths(project, stage):
            if not (folder / path).exists():
                (folder / path).parent.mkdir(parents=True, exist_ok=True)
                (folder / path).symlink_to(project / path)
        made |= set(stage.lineage["outputs"])


def carry_out(stage: Stage, folder: Path) -> int:
    """Run a stage's command in the worktree, untracked; gives its exit code."""
    skipped = ("PYTHONPATH", "KEDRO_ENV", "DVC_STAGE", "DVC_ROOT")
    environment = {key: value for key, value in os.environ.items() if key not in skipped}
    words = [sys.executable, "-m", "kedro", *stage.command]
    return subprocess.run(
        words, cwd=folder, env=environment | {"LEXIPIX_MLFLOW": "0"}, check=False
    ).returncode


def compare(todo: Sequence[Stage], folder: Path) -> Iterator[tuple[str, str]]:
    """Compare what was made again with what was recorded: each output's path and one of the verdicts."""
    for stage in todo:
        skipped = stage.lineage["skipped"]
        for facts in stage.lineage["outputs"].values():
            yield facts["path"], _verdict(facts, folder, skipped)


def remove(project: Path, folder: Path) -> None:
    """Remove the worktree."""
    _git(project, "worktree", "remove", "--force", str(folder))


def _stage(client: Any, run: Any) -> Stage:
    files = {file.path for file in client.list_artifacts(run.info.run_id)}
    dirty = run.data.tags.get("git.dirty") == "true"
    lineage = _artifact(client, run, provenance.FILE) if provenance.FILE in files else "{}"
    changes = _artifact(client, run, CHANGES) if CHANGES in files else (None if dirty else "")
    return Stage(
        run.info.run_id, run.info.run_name, run.info.status, run.data.tags, run.data.params,
        json.loads(lineage), changes,
    )  # fmt: skip


def _artifact(client: Any, run: Any, path: str) -> str:
    import mlflow

    text: str = mlflow.artifacts.load_text(f"{run.info.artifact_uri}/{path}")
    return text


def _obstacles(project: Path, stage: Stage, made: set[str]) -> Iterator[str]:
    revision = stage.tags.get("git.revision")
    if stage.status != "FINISHED":
        yield f"it ended as {stage.status}, so that there is nothing to compare with"
        return
    if not stage.lineage or "command" not in stage.tags:
        yield "it was tracked by a version of lexipix that kept no digests; run its command by hand"
        return
    if revision is None:
        yield "its code was under no version control (no git.revision)"
    elif git("cat-file", "-e", f"{revision}^{{commit}}", folder=project) is None:
        yield f"its commit {revision} is not in this repository: fetch it (git fetch --all)"
    if stage.changes is None:
        yield f"its code was changed, and the changes were too large to be kept in {CHANGES}"
    for facts in (*stage.lineage["inputs"].values(), *stage.lineage["outputs"].values()):
        if Path(facts["path"]).is_absolute() or ".." in Path(facts["path"]).parts:
            yield f"{facts['path']} lies outside the project, where nothing may be overwritten"
    for name, facts in stage.lineage["inputs"].items():
        if name not in made and find(project, facts["path"], facts["md5"]) is None:
            maker = f"; run {facts['made_by']} made it: reproduce that" if "made_by" in facts else ""
            yield (
                f"its input {facts['path']} ({facts['md5']}) is neither there nor in DVC's cache: get it "
                f"from a remote (dvc fetch --all-commits){maker}"
            )


def _verdict(facts: Mapping[str, Any], folder: Path, skipped: Sequence[str]) -> str:
    path = folder / facts["path"]
    if not path.exists():
        return MISSING
    if dvc_digest(path) == facts["md5"]:
        return IDENTICAL
    if "steady" not in facts:
        return MEASURED
    return STEADY if steady_digest(path, skipped) == facts["steady"] else DIFFERENT


def _named_paths(project: Path, stage: Stage) -> Iterator[Path]:
    """Pictures and models inside the project that parameters name and git does not keep."""
    for value in stage.parameters.values():
        path = Path(value)
        if "/" in value and not path.is_absolute() and ".." not in path.parts and (project / path).exists():
            yield path


def _git(folder: Path, *arguments: str, given: str | None = None) -> None:
    answer = subprocess.run(
        ["git", *arguments],
        cwd=folder,
        input=None if given is None else given.encode("utf-8", "surrogateescape"),
        capture_output=True,
        check=False,
    )
    if answer.returncode != 0:
        raise LexipixError(f"git {arguments[0]} {arguments[1]} failed: {answer.stderr.decode().strip()}")
