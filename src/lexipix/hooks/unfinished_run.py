"""After a run that was stopped, --only-missing-outputs also makes what that run had still to make."""

import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kedro.framework.context import KedroContext
from kedro.framework.hooks import hook_impl
from kedro.io import DataCatalog
from kedro.pipeline import Pipeline

from lexipix.hooks.run_lock import HOLDER
from lexipix.utils.atomic import replace_file
from lexipix.utils.logging import warn_on_failure

_log = logging.getLogger(__name__)
NOTE = ".unfinished.json"  # node -> when the run began that has not finished yet, in seconds since 1970


class UnfinishedRunHooks:
    """Keeps, beside the results, which nodes a run is to run until it has finished.

    Kedro's ``--only-missing-outputs`` asks whether an output exists. So the results of an earlier run, with
    other parameters, would be taken for those of the run that was stopped.
    """

    def __init__(self) -> None:
        self._older: set[str] = set()  # outputs that count as missing

    @hook_impl
    def after_context_created(self, context: KedroContext) -> None:
        known = context.config_loader["globals"]
        self._folder = Path(context.project_path, known.get("data_root", "data"))

    @hook_impl(trylast=True)
    def before_pipeline_run(
        self, run_params: dict[str, Any], pipeline: Pipeline, catalog: DataCatalog
    ) -> None:
        """Note the nodes of a whole run; of one that continues, let older outputs count as missing."""
        begun = self._read()
        self._older = set[str]()
        if run_params.get("only_missing_outputs"):
            self._older = _older(catalog, pipeline, begun)
            if self._older:
                _log.info(
                    "%d results are older than the run that was stopped, and count as missing: remove %s to "
                    "keep them.",
                    len(self._older),
                    self._folder / NOTE,
                )
            known = catalog.exists

            def exists(ds_name: str) -> bool:
                return ds_name not in self._older and known(ds_name)

            catalog.exists = exists  # type: ignore[method-assign]
            return
        names = {node.name for node in pipeline.nodes}
        with warn_on_failure("If this run is stopped, --only-missing-outputs will keep older results"):
            # By the clock of the file system, as the times of the outputs
            now = (self._folder / HOLDER).stat().st_mtime
            self._write(begun | dict.fromkeys(names, now))

    @hook_impl(tryfirst=True)
    def after_dataset_saved(self, dataset_name: str) -> None:
        self._older.discard(dataset_name)

    @hook_impl
    def after_pipeline_run(self, pipeline: Pipeline) -> None:
        """Forget the nodes of a run that has finished."""
        begun = self._read()
        names = {node.name for node in pipeline.nodes}
        with warn_on_failure(f"{self._folder / NOTE} could not be changed"):
            if names & begun.keys():
                self._write({name: since for name, since in begun.items() if name not in names})

    def _read(self) -> dict[str, float]:
        try:
            found = json.loads((self._folder / NOTE).read_text(encoding="utf-8"))
            return {str(name): float(since) for name, since in found.items()}
        except (OSError, ValueError, TypeError, AttributeError):
            return {}

    def _write(self, begun: Mapping[str, float]) -> None:
        if not begun:
            (self._folder / NOTE).unlink(missing_ok=True)
            return
        with replace_file(self._folder / NOTE) as file:
            file.write_text(json.dumps(begun, indent=1) + "\n", encoding="utf-8")


def _older(catalog: DataCatalog, pipeline: Pipeline, begun: Mapping[str, float]) -> set[str]:
    """The outputs of nodes that are older than the run that was to make them."""
    return {
        name
        for node in pipeline.nodes
        if node.name in begun
        for name in node.outputs
        if _modified(catalog.config_resolver.resolve_pattern(name)) < begun[node.name]
    }


def _modified(entry: Mapping[str, Any]) -> float:
    """When a dataset's file, or a file directly in its folder, was last written; infinity if unknown."""
    try:
        path = Path(entry["filepath"])
        places = [path, *path.iterdir()] if path.is_dir() else [path]
        return max(place.stat().st_mtime for place in places)
    except (KeyError, OSError):
        return float("inf")
