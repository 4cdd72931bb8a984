"""The tags of an MLflow run: its code, command, environment, machine, seed and DVC stage."""

import json
import os
import platform
import re
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lexipix.config.pipelines import PIPELINE_ORDER
from lexipix.repro.digests import dvc_digest
from lexipix.utils.git import git, git_revision
from lexipix.utils.machine import cpu_model
from lexipix.utils.nested import flatten
from lexipix.utils.secrets import without_secrets


def run_name(run_params: Mapping[str, Any]) -> str:
    """A run's name, made of what it runs: ``generator[vae]@smoke``."""
    chosen = sorted(run_params.get("pipeline_names") or [], key=_order)
    chosen = list(run_params.get("node_names") or []) or chosen
    tags = sorted(run_params.get("tags") or [])
    env = _env(run_params.get("env"))
    return f"{'+'.join(chosen) or 'all'}{'[' + ','.join(tags) + ']' if tags else ''}@{env}"


def experiment_name(env: str | None) -> str:
    """The experiment's name: one experiment for each environment, so that its runs are comparable."""
    name = _env(env)
    return "lexipix" if name == "base" else f"lexipix-{name}"


def command(run_params: Mapping[str, Any]) -> str:
    """The command line that repeats a run, without secrets.

    Kedro's own record lacks environment and parameters. ``conf_source`` is the place of a configuration that
    is not the project's own, which Kedro's description of a run lacks.
    """
    words = ["kedro", "run"]
    env = run_params.get("env")
    if env and env != "local":
        words += ["--env", env]
    if conf_source := run_params.get("conf_source"):
        words += ["--conf-source", str(conf_source)]
    lists = {
        "--pipelines": sorted(run_params.get("pipeline_names") or [], key=_order),
        "--tags": sorted(run_params.get("tags") or []),
        "--nodes": run_params.get("node_names"),
        "--from-nodes": run_params.get("from_nodes"),
        "--to-nodes": run_params.get("to_nodes"),
        "--from-inputs": run_params.get("from_inputs"),
        "--to-outputs": run_params.get("to_outputs"),
        "--namespaces": run_params.get("namespaces"),
    }
    for option, values in lists.items():
        if values:
            words += [option, ",".join(values)]
    if run_params.get("only_missing_outputs"):
        words.append("--only-missing-outputs")
    params = [f"{key}={_word(value)}" for key, value in flatten(run_params.get("runtime_params") or {})]
    if params:
        words.append(f"--params={','.join(params)}")
    return without_secrets(shlex.join(words))


def tags(
    run_params: Mapping[str, Any], seed: int | None = None, changes: str | None = None
) -> dict[str, str]:
    """The tags of a run; ``changes`` are those of its code since the git revision, None if unknown."""
    revision = git_revision()
    known = {
        "git.revision": revision,
        "git.dirty": "unknown" if changes is None else str(bool(changes)).lower(),
        "git.branch": git("rev-parse", "--abbrev-ref", "HEAD"),
        "mlflow.source.name": command(run_params),
        "mlflow.source.git.commit": revision,
        "command": command(run_params),
        "env": _env(run_params.get("env")),
        "dvc.stage": os.environ.get("DVC_STAGE"),
        "dvc.experiment": os.environ.get("DVC_EXP_NAME"),
        "dvc.baseline": os.environ.get("DVC_EXP_BASELINE_REV"),
        "machine": machine(),
        "seed": None if seed is None else str(seed),
        "requirements.lock": lock_digest(),
    }
    return {key: value for key, value in known.items() if value}


def lock_digest() -> str | None:
    """MD5 of ``requirements.lock``; None if the file does not exist."""
    lock = Path(__file__).parents[3] / "requirements.lock"
    return dvc_digest(lock) if lock.is_file() else None


def machine() -> str:
    """This machine in a line: processor, cores, system."""
    return f"{cpu_model()}, {os.cpu_count()} cores, {platform.system()} {platform.machine()}"


def _env(env: str | None) -> str:
    return env if env and env != "local" else "base"


def _order(name: str) -> tuple[int, str]:
    return (PIPELINE_ORDER.index(name) if name in PIPELINE_ORDER else len(PIPELINE_ORDER), name)


def _word(value: Any) -> str:
    """A value as ``--params`` reads it back."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    shown = json.dumps(value, ensure_ascii=False) if isinstance(value, list) else str(value)
    return re.sub(r"(?:\\)+\$\{", "${", shown)  # as the user typed it
