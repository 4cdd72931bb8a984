"""What made a run: code, data, command, machine, DVC stage. It becomes the tags of an MLflow run."""

import os
import platform
import shlex
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from lexipix.config.pipelines import PIPELINE_ORDER
from lexipix.repro.digests import dvc_digest
from lexipix.utils.git import git
from lexipix.utils.machine import describe_machine


def run_name(run_params: Mapping[str, Any]) -> str:
    """Name a run by what it runs, the same in every session: ``generator[vae]@smoke``."""
    chosen = sorted(run_params.get("pipeline_names") or [], key=_order)
    chosen = list(run_params.get("node_names") or []) or chosen
    tags = sorted(run_params.get("tags") or [])
    env = run_params.get("env") or "base"
    return f"{'+'.join(chosen) or 'all'}{'[' + ','.join(tags) + ']' if tags else ''}@{_env(env)}"


def experiment_name(env: str | None) -> str:
    """Name the experiment: one for each environment, so that only comparable runs stand side by side."""
    name = _env(env)
    return "lexipix" if name == "base" else f"lexipix-{name}"


def command(run_params: Mapping[str, Any]) -> str:
    """Give the command line that repeats a run, whoever started it and however.

    Kedro's own record of it holds deprecated options and neither environment nor parameters.
    """
    words = ["kedro", "run"]
    env = run_params.get("env")
    if env and env != "local":
        words += ["--env", env]
    names: list[str] = sorted(run_params.get("pipeline_names") or [], key=_order)
    lists = {
        "--pipelines": names,
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
    if run_params.get("load_versions"):
        words += ["--load-versions", ",".join(f"{k}:{v}" for k, v in run_params["load_versions"].items())]
    if run_params.get("only_missing_outputs"):
        words.append("--only-missing-outputs")
    given = [f"{key}={_word(value)}" for key, value in flatten(run_params.get("runtime_params") or {})]
    if given:
        words.append(f"--params={','.join(given)}")
    return shlex.join(words)


def tags(run_params: Mapping[str, Any], seed: int | None = None, dirty: bool = False) -> dict[str, str]:
    """Give the tags of a run: git revision, DVC stage and experiment, command, environment, machine, seed.

    Args:
        run_params: What Kedro tells its hooks of a run.
        seed: Of the parameters.
        dirty: Whether the code differs from the revision.
    """
    revision = git("rev-parse", "HEAD")
    known = {
        "git.revision": revision,
        "git.dirty": str(dirty).lower() if revision else None,
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


def lock_digest(project: Path = Path(__file__).parents[2]) -> str | None:
    """MD5 of the exact versions that the project is installed with; None where the list is not there."""
    lock = project / "requirements.lock"
    return dvc_digest(lock) if lock.is_file() else None


def machine() -> str:
    """Describe this machine in a line: processor, cores, system."""
    return f"{describe_machine()}, {platform.system()} {platform.machine()}"


def flatten(data: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Give the leaves of nested mappings with dotted keys; an empty mapping has none."""
    for key, value in data.items():
        if isinstance(value, Mapping):
            yield from flatten(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def sets(data: Any, key: str) -> bool:
    """Tell whether nested mappings have a dotted key."""
    for part in key.split("."):
        if not isinstance(data, Mapping) or part not in data:
            return False
        data = data[part]
    return True


def sections(inputs: Iterable[str]) -> list[str]:
    """Name the parameter sections that a pipeline's free inputs touch."""
    found = {name.removeprefix("params:").partition(".")[0] for name in inputs if name.startswith("params:")}
    return sorted(found)


def _env(env: str | None) -> str:
    return env if env and env != "local" else "base"


def _order(name: str) -> tuple[int, str]:
    return (PIPELINE_ORDER.index(name) if name in PIPELINE_ORDER else len(PIPELINE_ORDER), name)


def _word(value: Any) -> str:
    """Write a value as ``--params`` reads it back."""
    if value is None:
        return "null"
    return str(value).lower() if isinstance(value, bool) else str(value)
