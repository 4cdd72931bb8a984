"""The MLflow runs of DVC's stages.

All stages of one ``dvc repro`` share the DVC process above them: it gives them one parent run. A stage that
DVC restores from its cache has no run of its own; the run that made its outputs is found by their digests.
"""

import hashlib
import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from lexipix.tracking import provenance
from lexipix.utils.errors import LexipixError
from lexipix.utils.processes import process_name

LOCK = "dvc.lock"
TAG = "dvc.repro"  # on a parent run: the DVC process it stands for
PROCESS = "process"  # on every run: the process that writes it
PARENT = "mlflow.parentRunId"
MADE = "dvc.made."  # prefix of a parent's tags: stage -> the run that made its outputs
RUN_NAME = "dvc repro"


def dvc_process() -> str | None:
    """The DVC process that started this one, by its name; None without one."""
    if not os.environ.get("DVC_STAGE"):
        return None
    import psutil

    try:
        for process in psutil.Process().parents():
            words = process.cmdline()  # `dvc repro` or `python -m dvc exp run`
            if words[1:3] == ["-m", "dvc"] or any(
                Path(word).name in ("dvc", "dvc.exe") for word in words[:2]
            ):
                return process_name(process)
    except psutil.Error:  # it has ended, or belongs to another user
        pass
    return None


def start_parent(client: Any, experiment: str, env: str, tags: Mapping[str, str]) -> str | None:
    """Id of the parent run of this ``dvc repro``, which its first stage starts; None outside of DVC."""
    name = dvc_process()
    if name is None:
        return None
    runs = client.search_runs([experiment], f"tags.`{TAG}` = '{name}'", max_results=1)
    if runs:
        client.update_run(runs[0].info.run_id, status="RUNNING")
        return str(runs[0].info.run_id)
    shared = {key: value for key, value in tags.items() if key not in ("dvc.stage", "command")}
    shared |= {TAG: name, PROCESS: name, "mlflow.source.name": RUN_NAME}
    title = f"{tags.get('dvc.experiment') or RUN_NAME}@{env}"
    run = client.create_run(experiment, run_name=title, tags=shared)
    return str(run.info.run_id)


def end_parent(client: Any, parent_id: str, child: Any, status: str) -> None:
    """Copy a stage's metrics and parameters to the parent, and end it; the next stage opens it again."""
    from mlflow.entities import Metric, Param

    now = int(time.time() * 1000)
    metrics = [Metric(key, value, now, 0) for key, value in child.data.metrics.items()]
    known = client.get_run(parent_id).data.params
    params = [Param(key, value) for key, value in child.data.params.items() if key not in known]
    client.log_batch(parent_id, metrics=metrics, params=params)
    client.set_terminated(parent_id, status)


def recorded_stages(lock: Path) -> dict[str, dict[str, Any]]:
    """The stages that ``dvc.lock`` records, by environment and by their names without ``@ENV``."""
    found: dict[str, dict[str, Any]] = {}
    try:
        stages = yaml.safe_load(lock.read_text(encoding="utf-8"))["stages"]
        for name in sorted(stages):
            stage, _, env = name.rpartition("@")
            found.setdefault(env, {})[stage] = {"outs": [], **stages[name]}
    except (yaml.YAMLError, LookupError, TypeError, ValueError) as error:
        raise LexipixError(
            f"{lock} is not a valid dvc.lock ({error}): remove it and run `make repro`."
        ) from error
    return found


def find_links(client: Any, experiment: str, stages: Mapping[str, Any]) -> dict[str, Any]:
    """The run that made each stage's outputs; None where no run of the experiment did."""
    return {
        name: _find_maker(client, experiment, {str(out["md5"]) for out in stage["outs"]})
        for name, stage in stages.items()
    }


def save_links(
    client: Any, experiment: str, env: str, stages: Mapping[str, Any], links: Mapping[str, Any]
) -> str:
    """Write the links as tags to the environment's latest parent run, and return the run's id.

    Where DVC has restored everything since, a new run is created, with the metrics and parameters of the
    linked runs.
    """
    runs = {name: run for name, run in links.items() if run is not None}
    content = json.dumps(stages, sort_keys=True).encode()
    tags = {f"{MADE}{name}": run.info.run_id for name, run in runs.items()}
    tags[LOCK] = hashlib.md5(content, usedforsecurity=False).hexdigest()
    query = f"tags.`{TAG}` LIKE '%' and attributes.status != 'RUNNING'"
    for last in client.search_runs([experiment], query, max_results=1):
        if last.data.tags.get(LOCK) in (None, tags[LOCK]):
            for key, value in tags.items():
                client.set_tag(last.info.run_id, key, value)
            return str(last.info.run_id)
    tags |= {TAG: f"restored {os.getpid()}", "env": env}
    run_id = str(client.create_run(experiment, run_name=f"{RUN_NAME}@{env}", tags=tags).info.run_id)
    for run in runs.values():
        end_parent(client, run_id, run, "FINISHED")
    return run_id


def _find_maker(client: Any, experiment: str, digests: set[str]) -> Any | None:
    """The latest run with all of these outputs."""
    words = {digest[: provenance.DIGITS] for digest in digests}
    for rarest in sorted(digests, key=lambda digest: not digest.endswith(".dir"))[:1]:
        for run in provenance.runs_with_output(client, experiment, f"={rarest[: provenance.DIGITS]}"):
            made = {word.partition("=")[2] for word in run.data.tags[provenance.OUTPUTS].split()}
            if words <= made:
                return run
    return None
