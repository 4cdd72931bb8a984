"""Runs a tracked run again, with its code in a git worktree and its inputs by digest; compares outputs."""

import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlparse

from lexipix.config.text_keys import SOURCE_PATH, path_keys
from lexipix.datasets.sources.hub import is_repository
from lexipix.repro import dvc_runs
from lexipix.repro.digests import comparable_digest, dvc_digest, find, named_digest
from lexipix.repro.lineage_file import read_lineage
from lexipix.tracking import provenance
from lexipix.tracking.lineage import lock_digest, machine
from lexipix.tracking.run import CHANGES
from lexipix.tracking.stores import unusable
from lexipix.utils.errors import LexipixError, reason
from lexipix.utils.git import git, run_git
from lexipix.utils.project_paths import exists

IDENTICAL, COMPARABLE, MEASURED = "identical", "identical except for times", "measured again"
DIFFERENT, MISSING = "different", "missing"
GOOD = (IDENTICAL, COMPARABLE, MEASURED)
_NO_SUCH_RUN = ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE")  # MLflow's codes for a wrong id
CONF_SOURCE = "--conf-source"


@dataclass(frozen=True)
class Stage:
    """A tracked run, with all that running it again needs."""

    name: str
    status: str
    tags: Mapping[str, str]
    parameters: Mapping[str, str]
    lineage: Mapping[str, Any]  # the content of ``lineage.json``; empty for a run without one
    changes: str | None  # the uncommitted changes of its code; None if they were not logged

    @property
    def command(self) -> list[str]:
        """The command's words after ``kedro``, with the choices that the run made by measured speeds."""
        words = shlex.split(self.tags["command"])[1:]
        if "--only-missing-outputs" in words:  # name the nodes that did run
            index = words.index("--only-missing-outputs")
            words[index : index + 1] = ["--nodes", ",".join(self.lineage["nodes"])]
        return _with_params(words, self.lineage["pins"])

    @property
    def paths(self) -> dict[str, str]:
        """What the parameters that name files hold, by their keys; a name to download is among them."""
        found = {key: self.parameters.get(key, "null") for key in path_keys()}
        if self.parameters.get("ingestion.source.kind") == "scenes":
            del found[SOURCE_PATH]
        return {key: value for key, value in found.items() if value != "null"}


def stages(client: Any, run_id: str) -> list[Stage]:
    """The run, or the stages of the ``dvc repro`` that it stands for, in their order.

    Raises:
        LexipixError: The store has no such run or cannot be used, or the record of a run is damaged.
    """
    from mlflow.exceptions import MlflowException

    try:
        run = client.get_run(run_id)
    except MlflowException as error:
        if error.error_code not in _NO_SUCH_RUN:
            raise unusable(client.tracking_uri, error) from error
        raise LexipixError(
            f"{client.tracking_uri} has no run {run_id!r}: copy the id from the run's page (make ui), or set "
            "MLFLOW_TRACKING_URI to the store of the run."
        ) from error
    runs = [run]
    if dvc_runs.TAG in run.data.tags:
        found = client.search_runs([run.info.experiment_id], f"tags.`{dvc_runs.PARENT}` = '{run_id}'")
        if not found:  # DVC restored everything; the runs that made it are linked
            linked = {value for key, value in run.data.tags.items() if key.startswith(dvc_runs.MADE)}
            found = [client.get_run(one) for one in linked]
        runs = sorted(found, key=lambda one: one.info.start_time)
    return [_stage(client, one) for one in runs]


def obstacles(project: Path, todo: Sequence[Stage]) -> list[str]:
    """The reasons why the runs cannot be run again, each with its fix; empty if they can."""
    if not todo:
        return ["the run has no stages: DVC had nothing to run"]
    found = [f"{stage.name}: {line}" for stage in todo for line in _obstacles(project, stage)]
    for stage, name, facts in _given_inputs(todo):
        if name in path_keys():
            found += [f"{stage.name}: {line}" for line in _changed(project, name, facts)]
        elif find(project, facts["path"], facts["md5"]) is None:
            maker = f", or reproduce run {facts['made_by']}, which made it" if "made_by" in facts else ""
            found.append(
                f"{stage.name}: its input {facts['path']} ({facts['md5']}) is neither in the project nor in "
                f"DVC's cache: fetch it from a remote (dvc fetch --all-commits){maker}"
            )
    return found


def remarks(todo: Sequence[Stage]) -> list[str]:
    """Reasons why the outputs may differ: another machine, other versions of libraries."""
    first, found = todo[0], list[str]()
    for stage, name, facts in _given_inputs(todo):
        if name in path_keys() and "md5" not in facts:
            found.append(f"{stage.name}: whether {facts['path']} ({name}) has changed since is unknown")
    if first.tags.get("machine") != machine():
        found.append(
            f"the run was made on another machine ({first.tags.get('machine')}; this is {machine()}): "
            "metrics agree to some digits, files are not identical"
        )
    if first.tags.get("requirements.lock") != lock_digest():
        found.append(
            "requirements.lock has changed since: for the same versions, install the revision's lock file "
            "into a virtual environment and use its kedro"
        )
    return found


def prepare(project: Path, todo: Sequence[Stage], folder: Path) -> None:
    """Create the worktree ``folder``: code with uncommitted changes, inputs, files that parameters name."""
    first = todo[0]
    folder.parent.mkdir(parents=True, exist_ok=True)
    # Twice: git remembers, and locks, a worktree that was being made there when the process was killed
    forced = ("--force", "--force")
    run_git(
        project, "worktree", "add", *forced, "--quiet", "--detach", str(folder), first.tags["git.revision"]
    )
    if first.changes:
        run_git(folder, "apply", "--whitespace=nowarn", "-", stdin=first.changes)
    for _, name, facts in _given_inputs(todo):
        if name in path_keys():
            continue
        for path, content in find(project, facts["path"], facts["md5"]) or []:
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(content, folder / path)
    # Files inside the project that parameters name, such as images that git does not track
    for value in {value for stage in todo for value in stage.paths.values()}:
        source, target = project / value, folder / value
        if not _is_outside(value) and exists(source) and not exists(target):
            target.parent.mkdir(parents=True, exist_ok=True)
            target.symlink_to(source)


def run_again(stage: Stage, folder: Path, project: Path) -> int:
    """Run a stage's command in the worktree, without tracking; returns its exit code.

    A relative path that leads out of the project is given as an absolute one.
    """
    beside = {key: project / value for key, value in stage.paths.items() if ".." in Path(value).parts}
    absolute = {key: str(path.resolve()) for key, path in beside.items() if exists(path)}
    skipped = ("PYTHONPATH", "KEDRO_ENV", "DVC_STAGE", "DVC_ROOT")
    environment = {key: value for key, value in os.environ.items() if key not in skipped}
    environment["LEXIPIX_MLFLOW"] = "0"
    words = [sys.executable, "-m", "kedro", *_with_params(stage.command, absolute)]
    return subprocess.run(words, cwd=folder, env=environment, check=False).returncode


def compare(todo: Sequence[Stage], folder: Path) -> Iterator[tuple[str, str]]:
    """Compare the new outputs with the recorded ones: the path of each, and a verdict."""
    for stage in todo:
        measured = stage.lineage["measured"]
        for facts in stage.lineage["outputs"].values():
            yield facts["path"], _verdict(facts, folder, measured)


def _stage(client: Any, run: Any) -> Stage:
    import mlflow

    def read(path: str) -> bytes:
        with tempfile.TemporaryDirectory() as folder:
            place = mlflow.artifacts.download_artifacts(f"{run.info.artifact_uri}/{path}", dst_path=folder)
            return Path(place).read_bytes()

    place = urlparse(run.info.artifact_uri)
    if place.scheme == "file" and not exists(Path(unquote(place.path))):
        raise LexipixError(
            f"Run {run.info.run_id} has no files at {unquote(place.path)}: restore the folder mlartifacts of "
            "the project that made it, or set MLFLOW_TRACKING_URI to the store of that project."
        )
    files = {file.path for file in client.list_artifacts(run.info.run_id)}
    lineage = read_lineage(read(provenance.FILE), run.info.run_id) if provenance.FILE in files else {}
    unchanged = "" if run.data.tags.get("git.dirty") == "false" else None
    changes = read(CHANGES).decode("utf-8", "surrogateescape") if CHANGES in files else unchanged
    info, data = run.info, run.data
    return Stage(info.run_name, info.status, data.tags, data.params, lineage, changes)


def _with_params(words: Sequence[str], values: Mapping[str, Any]) -> list[str]:
    """A command with more values for ``--params``, which is its last word where it has one."""
    added = ",".join(f"{key}={value}" for key, value in values.items())
    if added and words[-1].startswith("--params="):
        return [*words[:-1], f"{words[-1]},{added}"]
    return [*words, f"--params={added}"] if added else list(words)


def _is_outside(path: str) -> bool:
    return Path(path).expanduser().is_absolute() or ".." in Path(path).parts


def _changed(project: Path, key: str, facts: Mapping[str, str]) -> Iterator[str]:
    """The reason why a file or folder that a parameter names cannot be read as the run read it."""
    place = project / Path(facts["path"]).expanduser()
    if not exists(place):
        yield f"{key} = {facts['path']} does not exist any more: put it back at {place}"
        return
    try:
        same = "md5" not in facts or named_digest(place) == facts["md5"]
    except LexipixError as error:
        yield f"{key} = {facts['path']} cannot be read as the run read it: {error}"
        return
    except OSError as error:
        yield f"{key} = {facts['path']} cannot be read ({error.strerror}): check its owner and permissions"
        return
    if not same:
        yield f"{key} = {facts['path']} has changed since the run (its digest was {facts['md5']}): restore it"


def _given_inputs(todo: Sequence[Stage]) -> Iterator[tuple[Stage, str, Mapping[str, str]]]:
    """The inputs that no stage before makes, each with its stage and name."""
    made = set[str]()
    for stage in todo:
        for name, facts in stage.lineage.get("inputs", {}).items():
            if name not in made:
                yield stage, name, facts
        made |= set(stage.lineage.get("outputs", {}))


def _obstacles(project: Path, stage: Stage) -> Iterator[str]:
    if not stage.lineage.get("outputs"):
        yield "it recorded no file that it wrote: there is nothing to compare with"
    revision = stage.tags.get("git.revision")
    if stage.status != "FINISHED":
        yield f"it ended as {stage.status}: there are no outputs to compare with"
        return
    if "measured" not in stage.lineage or "command" not in stage.tags:
        yield "it was tracked by a version of lexipix that logged no digests: run its command by hand"
        return
    if revision is None:
        yield "its code was not under version control (no tag git.revision)"
    else:
        yield from _no_commit(project, revision)
    if CONF_SOURCE in shlex.split(stage.tags["command"]):
        yield (
            f"it read its configuration from elsewhere ({CONF_SOURCE}), which was not recorded: run its "
            f"command by hand: {stage.tags['command']}"
        )
    if stage.tags.get("git.dirty") == "unknown":
        yield "git could not tell whether its code had uncommitted changes"
    elif stage.changes is None:
        yield f"its code had uncommitted changes that were too large to be logged in {CHANGES}"
    files = {name: facts for name, facts in stage.lineage["inputs"].items() if name not in path_keys()}
    source = stage.paths.get(SOURCE_PATH)
    if (
        "ingest" in stage.lineage["nodes"]
        and source is not None
        and SOURCE_PATH not in stage.lineage["inputs"]
    ):
        if is_repository(source, project):
            yield (
                f"it read the data set {source} of the Hugging Face Hub, of which no digest was recorded: "
                "download it (hf download), and run with its folder as ingestion.source.path"
            )
        else:
            yield from _changed(project, SOURCE_PATH, {"path": source})  # of an earlier version of lexipix
    for facts in (*files.values(), *stage.lineage["outputs"].values()):
        if _is_outside(facts["path"]):
            yield f"{facts['path']} is outside the project, where no file may be overwritten"


def _no_commit(project: Path, revision: str) -> Iterator[str]:
    """The reason why a commit cannot be checked out: it is not here, or git cannot look for it."""
    try:
        run_git(project, "rev-parse", "--git-dir")
    except LexipixError as error:
        yield f"whether its commit {revision} is here is unknown ({reason(error)})"
        return
    if git("cat-file", "-e", f"{revision}^{{commit}}", folder=project) is None:
        yield f"its commit {revision} is not in this repository: fetch it (git fetch --all)"


def _verdict(facts: Mapping[str, Any], folder: Path, measured: Sequence[str]) -> str:
    path = folder / facts["path"]
    if not path.exists():
        return MISSING
    if dvc_digest(path) == facts["md5"]:
        return IDENTICAL
    if "comparable" not in facts:
        return MEASURED
    return COMPARABLE if comparable_digest(path, measured) == facts["comparable"] else DIFFERENT
