"""The last lines of a run: what each node was to take, the time and memory it took, and where results are."""

import logging
import os
import time
from collections.abc import Mapping, Sequence
from typing import Any

from kedro.framework.hooks import hook_impl
from kedro.io import CatalogProtocol, DataCatalog
from kedro.pipeline import Pipeline
from kedro.pipeline.node import Node

from lexipix.metrics.speed import begin_peak, peak_mb
from lexipix.tracking.run import Cost
from lexipix.utils.durations import format_seconds
from lexipix.utils.logging import warn_on_failure
from lexipix.utils.project_paths import is_address
from lexipix.utils.types import training_metrics

_log = logging.getLogger(__name__)
MIN_SECONDS = 5.0  # shorter nodes get no line of their own


class NodeTimingHooks:
    """Measures each node, and logs the results at the end of the run beside what was planned.

    That is the estimate of ``kedro estimate`` if there is one, else what each training planned at its start.
    """

    def __init__(self) -> None:
        self.costs: dict[str, Cost] = {}
        self.planned: dict[str, float] = {}  # seconds, by node
        self._started: dict[str, float] = {}  # by node: a runner may run several at a time
        self._has_peak = False

    @hook_impl
    def before_pipeline_run(self) -> None:
        """Forget the nodes of an earlier run of this process."""
        self.costs, self.planned = {}, {}

    @hook_impl(trylast=True)
    def before_node_run(self, node: Node) -> None:
        self._has_peak = begin_peak() is not None
        self._started[node.name] = time.perf_counter()

    @hook_impl(tryfirst=True)
    def after_node_run(self, node: Node, outputs: Mapping[str, Any]) -> None:
        self._measure(node)
        if metrics := training_metrics(outputs):
            self.planned[node.name] = metrics["planned_seconds"]

    @hook_impl(tryfirst=True)
    def after_dataset_saved(self, node: Node) -> None:
        """Take them again: an output that is a stream is computed while it is saved."""
        self._measure(node)

    @hook_impl(trylast=True)
    def after_pipeline_run(self, pipeline: Pipeline, catalog: DataCatalog) -> None:
        """Log the costs and, as the run's last line, where its results are."""
        with warn_on_failure("The costs cannot be shown"):
            estimate = {name: cost["seconds"] or 0.0 for name, cost in load_estimate(catalog).items()}
            for line in cost_table(self.costs, estimate or self.planned):
                _log.info(line)
        with warn_on_failure("The place of the results cannot be shown"):
            if place := results_place(pipeline, catalog):
                _log.info(place)

    def _measure(self, node: Node) -> None:
        seconds = time.perf_counter() - self._started[node.name]
        self.costs[node.name] = {"seconds": seconds, "peak_mb": peak_mb() if self._has_peak else None}


def load_estimate(catalog: CatalogProtocol) -> Mapping[str, Cost]:
    """The costs that ``kedro estimate`` expects, by node; empty without an estimate that can be read."""
    estimate: Mapping[str, Cost] = {}
    with warn_on_failure("The estimate cannot be used"):
        if "estimate" in catalog and catalog.exists("estimate"):
            estimate = catalog.load("estimate")
    return estimate


def results_place(pipeline: Pipeline, catalog: DataCatalog) -> str | None:
    """A sentence that names the report, or else the file or folder of the last output that is kept."""
    kept = [
        _shown(entry["filepath"])
        for name in (output for node in pipeline.nodes for output in node.outputs)
        if (entry := catalog.config_resolver.resolve_pattern(name)).get("filepath")
    ]
    report = next((path for path in kept if path.endswith("report.html")), None)
    if report is not None:
        return f"Open the report: {report}"
    return f"The results are in {kept[-1]}" if kept else None


def _shown(path: str) -> str:
    """A path from the current folder, or an address such as ``s3://`` as it is."""
    return path if is_address(path) else os.path.relpath(path)


def cost_table(costs: Mapping[str, Cost], planned: Mapping[str, float]) -> list[str]:
    """Lines on the nodes that took at least ``MIN_SECONDS``, the longest first, and on all together.

    ``planned`` are seconds by node; a node without has a dash.
    """
    long = {name: cost for name, cost in costs.items() if (cost["seconds"] or 0.0) >= MIN_SECONDS}
    if not long:
        return []
    rows = [("", "planned", "taken", "memory")]
    for name, cost in sorted(long.items(), key=lambda item: -(item[1]["seconds"] or 0.0)):
        expected = format_seconds(planned[name]) if name in planned else "–"
        rows.append((name, expected, *_format([cost])))
    total = format_seconds(sum(planned.values())) if set(long) <= set(planned) else "–"
    rows.append(("all", total, *_format(list(costs.values()))))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]).rstrip() for row in rows
    ]


def _format(costs: Sequence[Cost]) -> tuple[str, str]:
    """The sum of the seconds, and the highest peak of memory where the system reports it."""
    peak = max(cost["peak_mb"] or 0.0 for cost in costs)
    seconds = format_seconds(sum(cost["seconds"] or 0.0 for cost in costs))
    return seconds, f"{peak:,.0f} MB" if peak else "–"
