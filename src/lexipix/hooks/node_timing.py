"""The last lines of a run: the time and memory that each node took, and where the results are."""

import logging
import os
import time
from collections.abc import Mapping, Sequence

from kedro.framework.hooks import hook_impl
from kedro.io import CatalogProtocol, DataCatalog
from kedro.pipeline import Pipeline
from kedro.pipeline.node import Node

from lexipix.metrics.speed import begin_peak, peak_mb
from lexipix.reporting.metric_specs import write_seconds
from lexipix.tracking.run import Cost

_log = logging.getLogger(__name__)
MIN_SECONDS = 5.0  # shorter nodes get no line of their own


class NodeTimingHooks:
    """Measures each node and logs the results at the end of the run, beside the estimate if there is one."""

    def __init__(self) -> None:
        self.costs: dict[str, Cost] = {}
        self._started = 0.0
        self._has_peak = False

    @hook_impl
    def before_pipeline_run(self) -> None:
        """Forget the nodes of an earlier run of this process."""
        self.costs = {}

    @hook_impl(trylast=True)
    def before_node_run(self) -> None:
        self._has_peak = begin_peak() is not None
        self._started = time.perf_counter()

    @hook_impl(tryfirst=True)
    def after_node_run(self, node: Node) -> None:
        self._measure(node)

    @hook_impl(tryfirst=True)
    def after_dataset_saved(self, node: Node) -> None:
        """Take them again: an output that is a stream is computed while it is saved."""
        self._measure(node)

    @hook_impl(trylast=True)
    def after_pipeline_run(self, pipeline: Pipeline, catalog: DataCatalog) -> None:
        """Log the costs and, as the run's last line, where its results are."""
        for line in report_costs(self.costs, load_estimate(catalog)):
            _log.info(line)
        if place := results_place(pipeline, catalog):
            _log.info(place)

    def _measure(self, node: Node) -> None:
        seconds = time.perf_counter() - self._started
        self.costs[node.name] = {"seconds": seconds, "peak_mb": peak_mb() if self._has_peak else None}


def load_estimate(catalog: CatalogProtocol) -> Mapping[str, Cost]:
    """The costs that ``kedro estimate`` expects, by node; empty without an estimate."""
    if "estimate" not in catalog or not catalog.exists("estimate"):
        return {}
    estimate: Mapping[str, Cost] = catalog.load("estimate")
    return estimate


def results_place(pipeline: Pipeline, catalog: DataCatalog) -> str | None:
    """A sentence that names the report, or else the file or folder of the last output that is kept."""
    kept = [
        os.path.relpath(entry["filepath"])
        for name in (output for node in pipeline.nodes for output in node.outputs)
        if (entry := catalog.config_resolver.resolve_pattern(name)).get("filepath")
    ]
    report = next((path for path in kept if path.endswith("report.html")), None)
    if report is not None:
        return f"Open the report: {report}"
    return f"The results are in {kept[-1]}" if kept else None


def report_costs(costs: Mapping[str, Cost], estimate: Mapping[str, Cost]) -> list[str]:
    """Lines on the nodes that took at least ``MIN_SECONDS``, the longest first, and the total."""
    lines = []
    for name, cost in sorted(costs.items(), key=lambda item: -(item[1]["seconds"] or 0.0)):
        if (cost["seconds"] or 0.0) >= MIN_SECONDS:
            expected = f" (estimated {_format([estimate[name]])})" if name in estimate else ""
            lines.append(f"{name} took {_format([cost])}{expected}")
    common = costs.keys() & estimate.keys()
    if common:
        measured, expected = (_format([one[name] for name in common]) for one in (costs, estimate))
        lines.append(f"Total: {measured} (estimated {expected})")
    return lines


def _format(costs: Sequence[Cost]) -> str:
    """The sum of the seconds, and the highest peak of memory where the system reports it."""
    peak = max(cost["peak_mb"] or 0.0 for cost in costs)
    seconds = write_seconds(sum(cost["seconds"] or 0.0 for cost in costs))
    return f"{seconds}, {peak:,.0f} MB" if peak else seconds
