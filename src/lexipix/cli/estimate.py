"""``kedro estimate``: what a run will take, before it is begun."""

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click
from kedro.framework.cli.utils import _split_params

from lexipix.cli.errors import user_errors
from lexipix.cli.project_context import ProjectContext
from lexipix.tracking import run as tracking
from lexipix.utils.errors import LexipixError
from lexipix.utils.types import SPLITS

if TYPE_CHECKING:
    from kedro.framework.startup import ProjectMetadata

    from lexipix.repro.cost_estimate import Estimate


@click.command()
@click.option(
    "--env", "-e", envvar="KEDRO_ENV", metavar="ENV",
    help="Environment to be run, such as cifar10 or folder [default: base, the scenes].",
)  # fmt: skip
@click.option(
    "--params",
    callback=_split_params,
    default="",
    metavar="KEY=VALUE,…",
    help="Parameters, as for kedro run.",
)
@click.pass_obj
def estimate(metadata: "ProjectMetadata", env: str | None, params: dict[str, Any]) -> None:
    """Say how long a run will take on this machine, and how much memory, stage by stage.

    Rehearses every stage with the networks of the run, on few pictures and few steps; that takes some five
    minutes on two cores. Pictures other than the embedded scenes must be ingested before, so that their
    number is known. The estimate is kept, and the run shows at its end what each stage took beside it.

    \b
    Examples:
      kedro estimate
      kedro run --env cifar10 --pipelines ingestion && kedro estimate --env cifar10
      kedro estimate --params generator.prior.training.images=100000
    """  # noqa: D301 - click takes the paragraph after the backspace as it is
    with user_errors():
        _estimate(ProjectContext(metadata.project_path, env, params))


def _estimate(workshop: ProjectContext) -> None:
    from lexipix.config.pipelines import DEFAULT
    from lexipix.datasets.files import JsonDataset
    from lexipix.pipeline_registry import register_pipelines
    from lexipix.repro.cost_estimate import estimate as estimate_nodes
    from lexipix.utils.progress import Progress

    counts = _counts(workshop)
    if tracking.enabled():  # a run has it in memory from its beginning
        import mlflow  # noqa: F401
    with Progress("Rehearsing", None, unit="stages") as progress:

        def tell(name: str, number: int, n_nodes: int) -> None:
            progress.task, progress.total = f"Rehearsing {name}", n_nodes
            progress.advance(number - progress.done)

        nodes = register_pipelines()[DEFAULT].nodes
        found = estimate_nodes(nodes, workshop.parameters, workshop.load, counts, tell)
    place = workshop.place("estimate")
    kept = {one.node: {"seconds": one.seconds, "peak_mb": one.peak_mb} for one in found}
    JsonDataset(filepath=str(place)).save(kept)
    _show(found)
    click.echo(f"Kept in {place}; the run will be shown beside it.")


def _counts(workshop: ProjectContext) -> dict[str, int]:
    """Pictures of each split in the run to come, and those of train without a caption."""
    parameters = workshop.parameters.ingestion
    if parameters.source.kind == "scenes":
        scenes = parameters.source.scenes
        counts = {
            "train": scenes.n_train,
            "val": scenes.n_val,
            "test": scenes.n_test,
            "judge": scenes.n_judge,
        }
        return {**counts, "uncaptioned": round(scenes.n_train * scenes.uncaptioned_share)}
    place = workshop.place("ingestion_summary")
    if not place.is_file():
        raise LexipixError(
            f"How many pictures there are is not known before they are read ({place} is missing): run the "
            "stage ingestion first, with the same --env and --params."
        )
    summary: Mapping[str, Any] = json.loads(place.read_text(encoding="utf-8"))
    counts = {split: int(summary[f"n_{split}"]) for split in SPLITS}
    return {**counts, "uncaptioned": int(summary.get("uncaptioned", 0))}


def _show(found: "list[Estimate]") -> None:
    from rich.console import Console
    from rich.table import Table

    from lexipix.reporting.metric_specs import write_seconds

    table = Table("stage", "arithmetic", "rate", "memory", "time", box=None, header_style="bold")
    for column in table.columns[1:]:
        column.justify = "right"
    for one in found:
        table.add_row(
            one.node,
            f"{one.tflop:,.1f} TFLOP" if one.tflop else "",
            f"{one.gflops:,.0f} GFLOP/s" if one.tflop else "",
            f"{one.peak_mb:,.0f} MB" if one.peak_mb is not None else "",
            write_seconds(one.seconds),
        )
    peaks = [one.peak_mb for one in found if one.peak_mb is not None]
    table.add_row(
        "together",
        f"{sum(one.tflop for one in found):,.1f} TFLOP",
        "",
        f"{max(peaks):,.0f} MB" if peaks else "",
        write_seconds(sum(one.seconds for one in found)),
    )
    Console().print(table)
