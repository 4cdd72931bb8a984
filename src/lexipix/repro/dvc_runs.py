"""The MLflow runs of DVC's stages.

DVC runs each stage as a command of its own. All stages of one ``dvc repro`` share the DVC process above them:
it gives them one parent run. A stage that DVC restores from its cache has no run of its own; the run that
made its outputs is found by their digests.
"""

import hashlib
import json
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from lexipix.tracking import provenance
from lexipix.utils.errors import LexipixError

LOCK = "dvc.lock"
TAG = "dvc.repro"  # on a parent run: the DVC process it stands for
PARENT = "mlflow.parentRunId"
MADE = "dvc.made."  # prefix of a parent's tags: stage -> the run that made its outputs
RUN_NAME = "dvc repro"
_COMMANDS = ("dvc", "dvc.exe")


@dataclass(frozen=True)
class Link:
    """A stage and the run that made its outputs; None where no run of the store did."""

    stage: str
    run: Any | None


def dvc_process() -> str | None:
    """The DVC process that started this one, as its id and start time; None without one."""
    if not os.environ.get("DVC_STAGE"):
        return None
    import psutil

    try:
        for process in psutil.Process().parents():
            if _is_dvc(process.cmdline()):
                return f"{process.pid}@{process.create_time():.0f}"
    except psutil.Error:  # it has ended, or belongs to another user
        pass
    return None


def start_parent(client: Any, experiment: str, env: str, tags: Mapping[str, str]) -> str | None:
    """The parent run of this ``dvc repro``: the one that an earlier stage started, else a new one.

    Args:
        client: An MLflow client.
        experiment: Id of the experiment.
        env: The environment.
        tags: Of the stage's run; the parent takes those that are not about the stage.

    Returns:
        The parent's id; None if DVC did not start this process.
    """
    name = dvc_process()
    if name is None:
        return None
    runs = client.search_runs([experiment], f"tags.`{TAG}` = '{name}'", max_results=1)
    if runs:
        client.update_run(runs[0].info.run_id, status="RUNNING")
        return str(runs[0].info.run_id)
    shared = {key: value for key, value in tags.items() if key not in ("dvc.stage", "command")}
    shared |= {TAG: name, "mlflow.source.name": RUN_NAME}
    title = f"{tags.get('dvc.experiment') or RUN_NAME}@{env}"
    run = client.create_run(experiment, run_name=title, tags=shared)
    return str(run.info.run_id)


def end_parent(client: Any, parent_id: str, child: Any, status: str) -> None:
    """Copy a stage's metrics and parameters to the parent, so that it compares with whole runs, and end it.

    The next stage opens the parent again.
    """
    from mlflow.entities import Metric, Param

    now = int(time.time() * 1000)
    metrics = [Metric(key, value, now, 0) for key, value in child.data.metrics.items()]
    known = client.get_run(parent_id).data.params
    params = [Param(key, value) for key, value in child.data.params.items() if key not in known]
    for start in range(0, max(len(metrics), len(params)), 100):  # MLflow's limit for one call
        batch = slice(start, start + 100)
        client.log_batch(parent_id, metrics=metrics[batch], params=params[batch])
    client.set_terminated(parent_id, status)


def find_links(client: Any, experiment: str, env: str, lock: Path) -> list[Link]:
    """The run that made each stage's outputs, for the stages of one environment.

    Args:
        client: An MLflow client.
        experiment: Id of the environment's experiment.
        env: The environment.
        lock: ``dvc.lock``.

    Raises:
        LexipixError: The file cannot be read.
    """
    found = []
    for name, stage in _stages(lock, env).items():
        try:
            digests = {str(out["md5"]) for out in stage.get("outs", [])}
        except (AttributeError, KeyError, TypeError) as error:
            raise _unreadable(lock, error) from error
        found.append(Link(name, _find_maker(client, experiment, digests)))
    return found


def environments_in(lock: Path) -> list[str]:
    """The environments whose stages ``dvc.lock`` records.

    Raises:
        LexipixError: The file cannot be read.
    """
    return sorted({name.rpartition("@")[2] for name in _read(lock)})


def save_links(client: Any, experiment: str, env: str, lock: Path, links: list[Link]) -> str:
    """Write the links as tags to the environment's parent run.

    This is the latest parent run. Where DVC has restored everything since, a new run is created, with the
    metrics and parameters of the linked runs.

    Returns:
        The parent's id.
    """
    stages = json.dumps(_stages(lock, env), sort_keys=True).encode()
    digest = hashlib.md5(stages, usedforsecurity=False).hexdigest()
    tags = {f"{MADE}{link.stage}": link.run.info.run_id for link in links if link.run is not None}
    query = f"tags.`{TAG}` LIKE '%' and attributes.status != 'RUNNING'"
    last = next(iter(client.search_runs([experiment], query, max_results=1)), None)
    recorded = None if last is None else last.data.tags.get(LOCK)
    if last is not None and recorded in (None, digest):
        run_id = str(last.info.run_id)
        for key, value in {**tags, LOCK: digest}.items():
            client.set_tag(run_id, key, value)
        return run_id
    tags |= {TAG: f"restored {os.getpid()}", LOCK: digest, "env": env}
    run_id = str(client.create_run(experiment, run_name=f"{RUN_NAME}@{env}", tags=tags).info.run_id)
    for link in links:
        if link.run is not None:
            end_parent(client, run_id, link.run, "FINISHED")
    return run_id


def _stages(lock: Path, env: str) -> dict[str, Any]:
    """An environment's stages, by their names without ``@ENV``."""
    names = ((name, name.rpartition("@")) for name in _read(lock))
    return {stage: _read(lock)[name] for name, (stage, _, own) in names if own == env}


def _read(lock: Path) -> dict[str, Any]:
    try:
        return dict((yaml.safe_load(lock.read_text(encoding="utf-8")) or {}).get("stages") or {})
    except (yaml.YAMLError, AttributeError, TypeError, ValueError) as error:
        raise _unreadable(lock, error) from error


def _unreadable(lock: Path, error: Exception) -> LexipixError:
    return LexipixError(f"{lock} is not a valid dvc.lock ({error}): remove it and run `make repro`.")


def _find_maker(client: Any, experiment: str, digests: set[str]) -> Any | None:
    """The latest run with all of these outputs."""
    words = {digest[: provenance.DIGITS] for digest in digests}
    rarest = next(iter(sorted(digests, key=lambda digest: not digest.endswith(".dir"))), None)
    if rarest is None:
        return None
    for run in provenance.runs_with_output(client, experiment, f"={rarest[: provenance.DIGITS]}"):
        made = {word.partition("=")[2] for word in run.data.tags[provenance.OUTPUTS].split()}
        if words <= made:
            return run
    return None


def _is_dvc(words: list[str]) -> bool:
    """Whether a command line is DVC's: ``dvc repro`` or ``python -m dvc exp run``."""
    return any(Path(word).name in _COMMANDS for word in words[:2]) or words[1:3] == ["-m", "dvc"]
