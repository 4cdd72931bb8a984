"""What happens around a Kedro run: parameters are checked before the first node, and MLflow is told."""

import logging
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from kedro.framework.context import KedroContext
from kedro.framework.hooks import hook_impl
from kedro.io import CatalogProtocol
from kedro.pipeline import Pipeline
from kedro.pipeline.node import Node

from lexipix.config.root import LexipixParameters, default_place, validate
from lexipix.metrics.speed import begin_peak, peak_mb
from lexipix.reporting.metric_specs import write_seconds
from lexipix.tracking import run as tracking
from lexipix.tracking.lineage import flatten, sections, sets
from lexipix.tracking.provenance import Provenance
from lexipix.utils import signals as interrupts

_log = logging.getLogger(__name__)
SHORT_SECONDS = 5.0
SUMMARY, PICTURES = "ingestion_summary", "pictures"
# What a node takes: seconds, and peak_mb where the system reports it (see repro.cost_estimate.Estimate)
Cost = dict[str, float | None]


class ProjectHooks:
    """Validation and tracking; one object, since both need the parameters."""

    def __init__(self) -> None:
        self._project_path = Path()
        self._parameters: LexipixParameters | None = None
        self._entries: Mapping[str, Any] = {}
        self._run: tracking.TrackedRun | None = None
        self._provenance = Provenance(Path(), {})
        self._metrics: Mapping[str, Any] | None = None
        self._env: str | None = None
        self._started = 0.0
        self._peak_is_told = False
        self._taken: dict[str, Cost] = {}

    @hook_impl
    def after_context_created(self, context: KedroContext) -> None:
        """Validate every parameter of the project, whichever pipeline is to run.

        Kedro checks only what a pipeline's nodes ask for, and only after importing them.
        """
        loader = context.config_loader
        self._project_path, self._env = context.project_path, context.env
        places = _Places(Path(loader.conf_source), context.env, loader.runtime_params)
        self._parameters = validate(loader["parameters"], places)

    @hook_impl
    def after_catalog_created(self, conf_catalog: dict[str, Any]) -> None:
        """Remember what each dataset wishes to have tracked."""
        self._entries = conf_catalog
        self._provenance = Provenance(self._project_path, conf_catalog)

    @hook_impl
    def before_pipeline_run(
        self, run_params: dict[str, Any], pipeline: Pipeline, catalog: CatalogProtocol
    ) -> None:
        """Begin the MLflow run."""
        self._metrics = None
        if not tracking.enabled() or self._parameters is None:
            return
        everything = self._parameters.model_dump(mode="json")
        part = {name: everything[name] for name in sections(pipeline.inputs()) if name in everything}
        self._run = tracking.TrackedRun(self._project_path, run_params, part)
        if SUMMARY not in pipeline.all_outputs() and SUMMARY in catalog and catalog.exists(SUMMARY):
            self._name_data_set(catalog.load(SUMMARY))

    @hook_impl
    def before_node_run(self, node: Node) -> None:
        """Stop where Ctrl-C was pressed in the step before and a library swallowed it; begin to measure."""
        interrupts.raise_if_interrupted()
        self._peak_is_told = begin_peak() is not None
        self._started = time.perf_counter()

    @hook_impl
    def after_node_run(self, node: Node) -> None:
        """Take the time and the memory."""
        self._take(node)

    @hook_impl
    def after_dataset_loaded(self, dataset_name: str) -> None:
        """Remember what the run is made from."""
        self._provenance.read(dataset_name)

    @hook_impl
    def after_dataset_saved(self, dataset_name: str, data: Any, node: Node) -> None:
        """Copy what was saved to the MLflow run, where its catalog entry wishes so.

        Time and memory are taken anew: what is a stream is made while it is saved.
        """
        self._take(node)
        self._provenance.wrote(dataset_name, node.name)
        if self._run is None:
            return
        if dataset_name == SUMMARY:
            self._name_data_set(data)
        if dataset_name == "metrics":
            self._metrics = data
        entry = self._entries.get(dataset_name)
        if isinstance(entry, Mapping) and (wishes := (entry.get("metadata") or {}).get("mlflow")):
            path = entry.get("filepath")
            self._run.log(dataset_name, data, wishes, Path(path) if path else None)

    def _name_data_set(self, summary: Mapping[str, Any]) -> None:
        if self._run is not None:
            self._run.log_data_set(summary, self._provenance.digest(PICTURES))

    def _take(self, node: Node) -> None:
        seconds = time.perf_counter() - self._started
        self._taken[node.name] = {"seconds": seconds, "peak_mb": peak_mb() if self._peak_is_told else None}

    @hook_impl
    def after_pipeline_run(self, catalog: CatalogProtocol) -> None:
        """Say what each node took, beside the estimate if there is one, and end the MLflow run well."""
        expected = catalog.load("estimate") if "estimate" in catalog and catalog.exists("estimate") else {}
        for line in told(self._taken, expected):
            _log.info(line)
        if self._run is not None:
            self._run.log_costs(self._taken, expected)
            self._run.log_lineage(self._provenance.found())
            self._register(self._run.run_id, catalog)
        self.end("FINISHED")

    def _register(self, run_id: str, catalog: CatalogProtocol) -> None:
        """Hand the models to MLflow's registry, where this run has evaluated them."""
        if self._metrics is None or self._parameters is None:
            return
        from lexipix.tracking.registry import Evaluation, register

        def place(name: str) -> Path:
            return Path(self._entries[name]["filepath"])

        data = str(catalog.load(SUMMARY).get("digest", ""))
        register(Evaluation(run_id, self._env, data, self._metrics, self._parameters, place))

    @hook_impl
    def on_pipeline_error(self, error: Exception) -> None:
        """End the MLflow run as failed, with the reason."""
        self.end("FAILED", error)

    def end(self, status: str, error: BaseException | None = None) -> None:
        """End the MLflow run, if one is open."""
        if self._run is not None:
            self._run.end(status, error)
            self._run = None


def told(taken: Mapping[str, Cost], expected: Mapping[str, Cost]) -> list[str]:
    """Lines on what nodes took, the longest first; short ones are left out.

    Args:
        taken: By node.
        expected: By node, as ``kedro estimate`` gave them; empty without an estimate.
    """
    lines = []
    for name, cost in sorted(taken.items(), key=lambda item: -(item[1]["seconds"] or 0.0)):
        if (cost["seconds"] or 0.0) >= SHORT_SECONDS:
            beside = f" (estimated {_write([expected[name]])})" if name in expected else ""
            lines.append(f"{name} took {_write([cost])}{beside}")
    known = taken.keys() & expected.keys()
    if known:
        sums = (_write([one[name] for name in known]) for one in (taken, expected))
        lines.append("Together {} (estimated {})".format(*sums))
    return lines


def _write(costs: Sequence[Cost]) -> str:
    """Seconds together, and the highest peak of memory where the system tells one."""
    peak = max(cost["peak_mb"] or 0.0 for cost in costs)
    seconds = write_seconds(sum(cost["seconds"] or 0.0 for cost in costs))
    return f"{seconds}, {peak:,.0f} MB" if peak else seconds


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
                if sets(yaml.safe_load(file.read_text(encoding="utf-8")), key):
                    return f"{self._conf_source.name}/{file.relative_to(self._conf_source)}"
        return default_place(key)
