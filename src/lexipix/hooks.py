"""What happens around a Kedro run: parameters are checked before the first node, and MLflow is told."""

import logging
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from kedro.framework.context import KedroContext
from kedro.framework.hooks import hook_impl
from kedro.io import CatalogProtocol
from kedro.pipeline import Pipeline
from kedro.pipeline.node import Node

from lexipix import interrupts, tracking
from lexipix.config.root import LexipixParameters, default_place, validate
from lexipix.lineage import flatten, sections
from lexipix.reporting.wording import write_seconds

_log = logging.getLogger(__name__)
SHORT_SECONDS = 5.0


class ProjectHooks:
    """Validation and tracking; one object, since both need the parameters."""

    def __init__(self) -> None:
        self._project_path = Path()
        self._parameters: LexipixParameters | None = None
        self._entries: Mapping[str, Any] = {}
        self._run: tracking.TrackedRun | None = None
        self._started = 0.0
        self._seconds: dict[str, float] = {}

    @hook_impl
    def after_context_created(self, context: KedroContext) -> None:
        """Validate every parameter of the project, whichever pipeline is to run.

        Kedro checks only what a pipeline's nodes ask for, and only after importing them.
        """
        loader = context.config_loader
        self._project_path = context.project_path
        places = _Places(Path(loader.conf_source), context.env, loader.runtime_params)
        self._parameters = validate(loader["parameters"], places)

    @hook_impl
    def after_catalog_created(self, conf_catalog: dict[str, Any]) -> None:
        """Remember what each dataset wishes to have tracked."""
        self._entries = conf_catalog

    @hook_impl
    def before_pipeline_run(
        self, run_params: dict[str, Any], pipeline: Pipeline, catalog: CatalogProtocol
    ) -> None:
        """Begin the MLflow run."""
        if not tracking.enabled() or self._parameters is None:
            return
        everything = self._parameters.model_dump(mode="json")
        part = {name: everything[name] for name in sections(pipeline.inputs()) if name in everything}
        self._run = tracking.TrackedRun(self._project_path, run_params, part)
        summary = "ingestion_summary"
        if summary not in pipeline.all_outputs() and summary in catalog and catalog.exists(summary):
            self._run.log_data_set(catalog.load(summary))

    @hook_impl
    def before_node_run(self, node: Node) -> None:
        """Stop where Ctrl-C was pressed in the step before and a library swallowed it; take the time."""
        interrupts.stop_if_heard()
        self._started = time.perf_counter()

    @hook_impl
    def after_node_run(self, node: Node) -> None:
        """Take the time."""
        self._seconds[node.name] = time.perf_counter() - self._started

    @hook_impl
    def after_dataset_saved(self, dataset_name: str, data: Any) -> None:
        """Copy what was saved to the MLflow run, where its catalog entry wishes so."""
        if self._run is None:
            return
        if dataset_name == "ingestion_summary":
            self._run.log_data_set(data)
        entry = self._entries.get(dataset_name)
        if isinstance(entry, Mapping) and (wishes := (entry.get("metadata") or {}).get("mlflow")):
            path = entry.get("filepath")
            self._run.log(dataset_name, data, wishes, Path(path) if path else None)

    @hook_impl
    def after_pipeline_run(self, catalog: CatalogProtocol) -> None:
        """Say what each node took, beside the estimate if there is one, and end the MLflow run well."""
        expected = catalog.load("estimate") if "estimate" in catalog and catalog.exists("estimate") else {}
        for line in told(self._seconds, expected):
            _log.info(line)
        if self._run is not None:
            self._run.log_seconds(self._seconds, expected)
        self.end("FINISHED")

    @hook_impl
    def on_pipeline_error(self, error: Exception) -> None:
        """End the MLflow run as failed, with the reason."""
        self.end("FAILED", error)

    def end(self, status: str, error: BaseException | None = None) -> None:
        """End the MLflow run, if one is open."""
        if self._run is not None:
            self._run.end(status, error)
            self._run = None


def told(seconds: Mapping[str, float], expected: Mapping[str, float]) -> list[str]:
    """Lines on what nodes took, the longest first; short ones are left out.

    Args:
        seconds: By node.
        expected: By node, as ``kedro estimate`` gave them; empty without an estimate.
    """
    lines = []
    for name, taken in sorted(seconds.items(), key=lambda item: -item[1]):
        if taken >= SHORT_SECONDS:
            beside = f" (estimated {write_seconds(expected[name])})" if name in expected else ""
            lines.append(f"{name} took {write_seconds(taken)}{beside}")
    known = seconds.keys() & expected.keys()
    if known:
        sums = (write_seconds(sum(one[name] for name in known)) for one in (seconds, expected))
        lines.append("Together {} (estimated {})".format(*sums))
    return lines


class _Places:
    """Finds where the user sets a parameter: on the command line, or in which file.

    Args:
        conf_source: The folder of environments.
        env: The run's environment.
        runtime_params: What came by ``--params``.
    """

    def __init__(self, conf_source: Path, env: str | None, runtime_params: Mapping[str, Any] | None) -> None:
        self._conf_source = conf_source
        self._envs = [env or "local", "base"]
        self._given = {key for key, _ in flatten(runtime_params or {})}

    def __call__(self, key: str) -> str:
        if key in self._given:
            return "given by --params"
        for env in self._envs:
            for file in sorted((self._conf_source / env).rglob("parameters*.y*ml")):
                if _sets(yaml.safe_load(file.read_text(encoding="utf-8")), key):
                    return f"{self._conf_source.name}/{file.relative_to(self._conf_source)}"
        return default_place(key)


def _sets(data: Any, key: str) -> bool:
    for part in key.split("."):
        if not isinstance(data, Mapping) or part not in data:
            return False
        data = data[part]
    return True
