"""``kedro estimate``: time and memory of a run, before it starts."""

from typing import TYPE_CHECKING, Any

import click
from kedro.framework.startup import ProjectMetadata

from lexipix.cli.errors import user_errors
from lexipix.cli.options import env_option
from lexipix.cli.output import show
from lexipix.cli.parameters import typed_option
from lexipix.cli.project_context import ProjectContext
from lexipix.tracking import run as tracking
from lexipix.utils.types import SPLITS

if TYPE_CHECKING:
    from lexipix.repro.cost_estimate import Estimate


@click.command()
@env_option
@click.pass_obj
@user_errors()
def estimate(metadata: ProjectMetadata, env: str | None, params: dict[str, Any]) -> None:
    """Estimate the time and the memory of a run on this machine, stage by stage.

    Runs every stage with the networks of the run on few images and few steps. This takes about five minutes
    on two cores. Images other than the embedded scenes must be ingested before, so that their number is
    known. The estimate is written to data/ENV/08_reporting/estimate.json, and the run reports at its end what
    each stage took beside it.

    \b
    Examples:
      kedro estimate
      kedro run --env cifar10 --pipelines ingestion && kedro estimate --env cifar10
      kedro estimate --params generator.prior.training.num_images=100000
    """  # noqa: D301 - click takes the paragraph after the backspace as it is
    from lexipix.config.pipelines import DEFAULT
    from lexipix.pipeline_registry import register_pipelines
    from lexipix.repro.cost_estimate import estimate as estimate_nodes
    from lexipix.utils.progress import Progress

    context = ProjectContext(metadata.project_path, env, params)
    counts = _counts(context)
    if tracking.enabled():  # a run has it in memory from the start
        import mlflow  # noqa: F401
    nodes = register_pipelines()[DEFAULT].nodes
    with Progress("Trying", None, unit="stages") as progress:

        def report(name: str, number: int, n_nodes: int) -> None:
            progress.task, progress.total = f"Trying {name}", n_nodes
            progress.advance(number - progress.done)

        found = estimate_nodes(nodes, context.parameters, context.load, counts, report)
    figures = {one.node: {"seconds": one.seconds, "peak_mb": one.peak_mb} for one in found}
    context.catalog["estimate"].save(figures)
    _show(found)
    for sentence in _advice(found):
        show(sentence)
    show(f"Written to {context.path('estimate')}; the run reports its own figures beside it.")


estimate.params.append(typed_option("params"))


def _counts(context: ProjectContext) -> dict[str, int]:
    """Images of each split in the run, and those of train without a caption (``uncaptioned``)."""
    source = context.parameters.ingestion.source
    if source.kind == "scenes":
        counts: dict[str, int] = {split: getattr(source.scenes, f"n_{split}", 0) for split in SPLITS}
        return {**counts, "uncaptioned": round(counts["train"] * source.scenes.uncaptioned_share)}
    summary = context.load("ingestion_summary")  # the error of a missing one names the command to run
    counts = {str(split): int(summary[f"n_{split}"]) for split in SPLITS}
    return {**counts, "uncaptioned": int(summary.get("uncaptioned", 0))}


def _advice(found: "list[Estimate]") -> list[str]:
    """What takes the most, and which parameter shortens it."""
    longest, total = max(found, key=lambda one: one.seconds), sum(one.seconds for one in found)
    sentence = f"{longest.node} takes the most, {longest.seconds / max(total, 1e-9):.0%} of the time."
    if longest.parameter is not None:
        sentence += f" A smaller {longest.parameter} shortens it."
    return [sentence, "run.training_share=0.2 gives every training a fifth of its images."]


def _show(found: "list[Estimate]") -> None:
    from rich.console import Console
    from rich.table import Table

    from lexipix.utils.durations import format_seconds

    table = Table("stage", "arithmetic", "rate", "memory", "time", box=None, header_style="bold")
    for column in table.columns[1:]:
        column.justify = "right"
    peaks = [one.peak_mb for one in found if one.peak_mb is not None]
    rows = [(one.node, one.tflop, one.gflops, one.peak_mb, one.seconds) for one in found]
    total = sum(one.tflop for one in found), 0.0, max(peaks, default=None), sum(one.seconds for one in found)
    for name, tflop, gflops, peak_mb, seconds in [*rows, ("total", *total)]:
        table.add_row(
            name,
            f"{tflop:,.1f} TFLOP" if tflop or name == "total" else "",
            f"{gflops:,.0f} GFLOP/s" if gflops else "",
            f"{peak_mb:,.0f} MB" if peak_mb is not None else "",
            format_seconds(seconds),
        )
    Console().print(table)
