"""Each Kedro run is an MLflow run."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kedro.framework.context import KedroContext
from kedro.framework.hooks import hook_impl
from kedro.io import DataCatalog
from kedro.pipeline import Pipeline
from kedro.pipeline.node import Node

from lexipix.config.root import validate
from lexipix.config.text_keys import SOURCE_PATH, path_keys
from lexipix.hooks.node_timing import NodeTimingHooks, load_estimate
from lexipix.hooks.source_folder import SOURCES
from lexipix.tracking import run as tracking
from lexipix.tracking.provenance import Provenance
from lexipix.utils.logging import warn_on_failure
from lexipix.utils.nested import flatten

SUMMARY, IMAGES, METRICS = "ingestion_summary", "image_splits", "metrics"
MODELS = ("champion", "captioner_champion")  # which the metrics are about
PRETRAINED = "pretrained_models"


class MlflowTrackingHooks:
    """Logs parameters, outputs (by their ``metadata.mlflow``), costs and lineage; registers models."""

    def __init__(self, timing: NodeTimingHooks) -> None:
        self._timing = timing
        self._run: tracking.TrackedRun | None = None

    @hook_impl
    def after_context_created(self, context: KedroContext) -> None:
        """Remember the project, and where its configuration is if that is elsewhere."""
        self._project_path, self._env = context.project_path, context.env
        conf_source = str(context.config_loader.conf_source)
        is_own = Path(conf_source).resolve() == Path(context.project_path, "conf").resolve()
        self._conf_source = None if is_own else conf_source

    @hook_impl
    def after_catalog_created(self, catalog: DataCatalog) -> None:
        """Remember the catalog, and forget the datasets of an earlier run."""
        self._catalog = catalog
        self._provenance = Provenance(self._project_path, self._entry)
        self._metrics: Mapping[str, Any] | None = None

    @hook_impl
    def before_pipeline_run(
        self, run_params: dict[str, Any], pipeline: Pipeline, catalog: DataCatalog
    ) -> None:
        if not tracking.enabled():
            return
        parameters = validate(catalog.load("parameters")).model_dump(mode="json")
        inputs = (name for name in pipeline.inputs() if name.startswith("params:"))
        sections = {name.removeprefix("params:").partition(".")[0] for name in inputs}
        used = {name: values for name, values in parameters.items() if name in sections}
        self._paths = {key: value for key, value in flatten(used) if key in path_keys() and value is not None}
        if parameters["ingestion"]["source"]["kind"] == "scenes":
            self._paths.pop(SOURCE_PATH, None)
        described = run_params | {"conf_source": self._conf_source}
        self._run = tracking.TrackedRun(self._project_path, described, used)
        if SUMMARY not in pipeline.all_outputs() and SUMMARY in catalog and catalog.exists(SUMMARY):
            self._run.log_data_set(catalog.load(SUMMARY), self._provenance.digest(IMAGES))

    @hook_impl
    def after_dataset_loaded(self, dataset_name: str) -> None:
        """Note an input; the datasets that read what parameters name have no file of their own."""
        self._provenance.add_input(dataset_name)
        if self._run is not None:
            for key, path in self._paths.items():
                reader = SOURCES if key == SOURCE_PATH else PRETRAINED
                if reader == dataset_name:
                    self._provenance.add_named_input(key, path)

    @hook_impl
    def after_dataset_saved(self, dataset_name: str, data: Any, node: Node) -> None:
        """Log an output as its catalog entry asks for."""
        self._provenance.add_output(dataset_name, node.name)
        if self._run is None:
            return
        if dataset_name == SUMMARY:
            with warn_on_failure("MLflow: the data set could not be logged"):
                self._run.log_data_set(data, self._provenance.digest(IMAGES))
        if dataset_name == METRICS:
            self._metrics = data
        entry = self._entry(dataset_name)
        if targets := (entry.get("metadata") or {}).get("mlflow"):
            path = entry.get("filepath")
            self._run.log(dataset_name, data, targets, Path(path) if path else None)

    @hook_impl
    def after_pipeline_run(self, pipeline: Pipeline, catalog: DataCatalog) -> None:
        """Log costs and lineage, register the models of an evaluation, and end the run.

        All results are saved: nothing here fails the run.
        """
        if self._run is not None:
            self._run.log_costs(self._timing.costs, load_estimate(catalog))
            with warn_on_failure("MLflow: the run's lineage could not be logged"):
                self._run.log_lineage(self._provenance.as_dict())
            with warn_on_failure("MLflow: the models could not be registered"):
                self._register(self._run, pipeline, catalog)
        self._end("FINISHED")

    @hook_impl
    def on_pipeline_error(self, error: Exception) -> None:
        self._end("FAILED", error)

    def _register(self, run: tracking.TrackedRun, pipeline: Pipeline, catalog: DataCatalog) -> None:
        """Register the models that this run has evaluated, or another one that was killed before it did."""
        is_own = self._metrics is not None
        metrics = self._metrics if is_own else self._earlier_metrics(pipeline, catalog)
        if metrics is None:
            return
        from lexipix.tracking import registry

        data = str(catalog.load(SUMMARY).get("digest", ""))
        parameters = validate(catalog.load("parameters"))
        found = registry.Evaluation(run.run_id, self._env, data, metrics, parameters, self._path)
        if not is_own and not all(registry.is_registered(kind, found) for kind in registry.KINDS):
            run.log(METRICS, metrics, self._entry(METRICS)["metadata"]["mlflow"], self._path(METRICS))
        registry.register(found)

    def _earlier_metrics(self, pipeline: Pipeline, catalog: DataCatalog) -> Mapping[str, Any] | None:
        """The saved metrics if the pipeline makes them; None if a model has been written since."""
        if METRICS not in pipeline.all_outputs() or not catalog.exists(METRICS):
            return None
        measured = self._path(METRICS).stat().st_mtime
        if any(self._path(model).stat().st_mtime > measured for model in MODELS):
            return None
        metrics: Mapping[str, Any] = catalog.load(METRICS)
        return metrics

    def _entry(self, name: str) -> Mapping[str, Any]:
        """A dataset's entry in the catalog, that of a factory included."""
        return self._catalog.config_resolver.resolve_pattern(name)

    def _path(self, name: str) -> Path:
        return Path(self._entry(name)["filepath"])

    def _end(self, status: str, error: BaseException | None = None) -> None:
        if self._run is not None:
            self._run.end(status, error)
            self._run = None
