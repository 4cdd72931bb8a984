"""The runs of one ``dvc repro`` as children of one parent.

DVC starts every stage as a command of its own and tells it nothing of the others; what they have in common
is the DVC process above them.
"""

import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

TAG = "dvc.repro"
PARENT = "mlflow.parentRunId"
# In front of a stage's name among the parent's tags: the run that made what the stage left
MADE = "dvc.made."
RUN_NAME = "dvc repro"
_NAMES = ("dvc", "dvc.exe")


def process() -> str | None:
    """Name the DVC process that started this one: its number and when it began; None without one."""
    if not os.environ.get("DVC_STAGE"):
        return None
    import psutil

    try:
        for one in psutil.Process().parents():
            if _is_dvc(one.cmdline()):
                return f"{one.pid}@{one.create_time():.0f}"
    except psutil.Error:  # ended meanwhile, or another user's
        pass
    return None


def parent(client: Any, experiment: str, env: str, tags: Mapping[str, str]) -> str | None:
    """The run that stands for the whole ``dvc repro``: the one that an earlier stage began, else a new one.

    Args:
        client: An MLflow client.
        experiment: Id of the experiment.
        env: Name of the environment.
        tags: Of the stage's run; those that hold for the whole are the parent's as well.

    Returns:
        The run's id; None where DVC did not start this process.
    """
    name = process()
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


def close(client: Any, parent_id: str, child: Any, status: str) -> None:
    """Give the parent what a stage found, so that it compares with whole runs, and its state.

    The next stage opens it again.
    """
    from mlflow.entities import Metric, Param

    now = int(time.time() * 1000)
    metrics = [Metric(key, value, now, 0) for key, value in child.data.metrics.items()]
    had = client.get_run(parent_id).data.params
    params = [Param(key, value) for key, value in child.data.params.items() if key not in had]
    for start in range(0, max(len(metrics), len(params)), 100):  # MLflow takes so many at a time
        some = slice(start, start + 100)
        client.log_batch(parent_id, metrics=metrics[some], params=params[some])
    client.set_terminated(parent_id, status)


def _is_dvc(words: list[str]) -> bool:
    """Whether a command line is one of DVC's: ``dvc repro`` or ``python -m dvc exp run``."""
    if any(Path(word).name in _NAMES for word in words[:2]):
        return True
    return words[1:3] == ["-m", "dvc"]
