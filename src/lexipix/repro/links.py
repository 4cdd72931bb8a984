"""Linking what DVC has recorded of stages to the MLflow runs that made it.

A stage that DVC restores from its cache runs nothing, so that no run tells of it. Its results are those of an
earlier run, and are found there by digest.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from lexipix.repro import dvc_runs as repro
from lexipix.repro.digests import dvc_digest
from lexipix.tracking import provenance
from lexipix.utils.errors import LexipixError

LOCK = "dvc.lock"


@dataclass(frozen=True)
class Link:
    """A stage and the run that made its results; no run where none in the store did."""

    stage: str
    run: Any | None


def lock_of(project: Path, env: str) -> Path:
    """Where DVC records an environment's stages."""
    return project / LOCK if env == "base" else project / "conf" / env / LOCK


def links(client: Any, experiment: str, lock: Path) -> list[Link]:
    """Find the run that made each stage's results.

    Args:
        client: An MLflow client.
        experiment: Id of the environment's experiment.
        lock: A ``dvc.lock``.

    Raises:
        LexipixError: It cannot be read.
    """
    try:
        stages = (yaml.safe_load(lock.read_text(encoding="utf-8")) or {}).get("stages") or {}
        outputs = {name: {str(out["md5"]) for out in stage.get("outs", [])} for name, stage in stages.items()}
    except (yaml.YAMLError, AttributeError, KeyError, TypeError) as error:
        raise LexipixError(
            f"{lock} is no record of DVC's ({error}): remove it and run `dvc repro`."
        ) from error
    return [Link(name, _maker(client, experiment, digests)) for name, digests in outputs.items()]


def keep(client: Any, experiment: str, env: str, lock: Path, found: list[Link]) -> str:
    """Write the links to the run that stands for the ``dvc repro``.

    It is the one that the last stages began; where DVC restored everything, a new one, which takes the
    metrics and parameters of the linked runs, so that it compares with others.

    Returns:
        The run's id.
    """
    digest = dvc_digest(lock)
    tags = {f"{repro.MADE}{link.stage}": link.run.info.run_id for link in found if link.run is not None}
    wish = f"tags.`{repro.TAG}` LIKE '%' and attributes.status != 'RUNNING'"
    last = next(iter(client.search_runs([experiment], wish, max_results=1)), None)
    known = None if last is None else last.data.tags.get(LOCK)
    if last is not None and known in (None, digest):
        run_id = str(last.info.run_id)
        for key, value in {**tags, LOCK: digest}.items():
            client.set_tag(run_id, key, value)
        return run_id
    tags |= {repro.TAG: f"restored {os.getpid()}", LOCK: digest, "env": env}
    run_id = str(client.create_run(experiment, run_name=f"{repro.RUN_NAME}@{env}", tags=tags).info.run_id)
    for link in found:
        if link.run is not None:
            repro.close(client, run_id, link.run, "FINISHED")
    return run_id


def _maker(client: Any, experiment: str, digests: set[str]) -> Any | None:
    """The latest run that made all of these."""
    short = {digest[: provenance.DIGITS] for digest in digests}
    rarest = next(iter(sorted(digests, key=lambda digest: not digest.endswith(".dir"))), None)
    if rarest is None:
        return None
    for run in provenance.runs_that_made(client, experiment, f"={rarest[: provenance.DIGITS]}"):
        made = {word.partition("=")[2] for word in run.data.tags[provenance.OUTPUTS].split()}
        if short <= made:
            return run
    return None
