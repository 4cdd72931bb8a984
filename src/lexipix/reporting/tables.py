"""The report's tables: metrics beside their baselines and their best possible value."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lexipix.reporting import metric_specs
from lexipix.reporting.metric_specs import MetricSpec, lookup

PATHS = {"vae": "VAE", "gan": "GAN", "tokens": "token generator", "champion": "champion"}
BASELINES = {
    "mean_image": "mean image",
    "same_caption": "another image, same caption",
    "retrieved": "training image of the nearest caption",
    "shuffled": "shuffled captions",
}
PROMPT_TITLES = {
    "unseen": "{:,} captions of test images",
    "seen": "{:,} captions of training images",
    "pairs": "{:,} pairs of a concept and a style, of which the other styles were trained on",
}
LOWER_IS_BETTER = ("kid", "frechet", "flat_ripple", "ghost_index", "nearest_train_psnr")


@dataclass(frozen=True)
class Column:
    """Metrics of one table column and their kind: ``ours``, ``baseline`` or ``best``."""

    heading: str
    metrics: Mapping[str, Any]
    kind: str = "baseline"


@dataclass(frozen=True)
class Cell:
    """One value of a table and its kind: that of its column, or ``under`` for ours below every baseline."""

    text: str
    kind: str


@dataclass(frozen=True)
class Table:
    """Metrics in rows; models, baselines and ceilings in columns."""

    headings: Sequence[str]
    rows: Sequence[tuple[MetricSpec, Sequence[Cell]]]


def direct_table(metrics: Mapping[str, Any]) -> Table | None:
    """The direct path and the image tokens beside the baselines."""
    baseline = metrics.get("baseline", {})
    columns = [
        Column("direct path", metrics.get("direct", {}), "ours"),
        Column("image tokens", metrics.get("tokens", {}), "ours"),
        *(Column(BASELINES[name], baseline.get(name, {})) for name in ("mean_image", "same_caption")),
    ]
    return comparison_table(metric_specs.DIRECT, columns)


def text_table(
    metrics: Mapping[str, Any], extras: Mapping[str, Mapping[str, float]], real_vs_real: Mapping[str, float]
) -> Table | None:
    """The text path of each generator, with its extra metrics, beside baselines and the best possible."""
    text, baseline = metrics.get("text", {}), metrics.get("baseline", {})
    best = {"sharpness": 1.0, **real_vs_real, **baseline.get("real", {}), **metrics.get("ceiling", {})}
    columns = [
        *(Column(n, {**text.get(path, {}), **extras.get(path, {})}, "ours") for path, n in PATHS.items()),
        *(Column(n, {**baseline.get(name, {}), **extras.get(name, {})}) for name, n in BASELINES.items()),
        Column("best possible", best, "best"),
    ]
    return comparison_table(metric_specs.TEXT, columns)


def prompts_tables(prompts: Mapping[str, Mapping[str, Any]]) -> dict[str, Table]:
    """Each generator's images from true captions beside retrieved and real ones, by the kind of captions."""
    tables = {}
    for name, group in prompts.items():
        columns = [
            *(Column(heading, group.get(path, {}), "ours") for path, heading in PATHS.items()),
            Column(BASELINES["retrieved"], group.get("retrieved", {})),
            Column("real images", group.get("real", {}), "best"),
        ]
        if table := comparison_table(metric_specs.PROMPTS, columns):
            tables[PROMPT_TITLES[name].format(group["n"])] = table
    return tables


def comparison_table(specs: Mapping[str, MetricSpec], columns: Sequence[Column]) -> Table | None:
    """Returns the metrics that we have any value of; None if there are none.

    Our value is marked if it is below every baseline. One baseline above it is no fault: a sharp image with
    other positions scores below the mean image, and a caption rendered again by the scenes' own renderer is
    hard to beat.
    """
    ours = [column for column in columns if column.kind == "ours"]
    keys = [key for key in specs if any(lookup(column.metrics, key) is not None for column in ours)]
    columns = [column for column in columns if any(lookup(column.metrics, key) is not None for key in keys)]
    rows = []
    for key in keys:
        spec, cells = specs[key], []
        baselines = [lookup(column.metrics, key) for column in columns if column.kind == "baseline"]
        known = [value for value in baselines if value is not None and key not in LOWER_IS_BETTER]
        least = min(known, default=-math.inf)
        for column in columns:
            value = lookup(column.metrics, key)
            is_under = column.kind == "ours" and value is not None and value < least
            cells.append(Cell(spec.write(value), "under" if is_under else column.kind))
        rows.append((spec, cells))
    return Table([column.heading for column in columns], rows) if rows else None


def plain_table(
    metrics: Mapping[str, Any], specs: Mapping[str, MetricSpec]
) -> tuple[list[MetricSpec], dict[str, list[str]]] | None:
    """Returns the metrics of the columns, and the values of each named row; empty columns are left out."""
    rows = {name: values for name, values in metrics.items() if isinstance(values, Mapping)}
    keys = [key for key in specs if any(lookup(values, key) is not None for values in rows.values())]
    if not keys:
        return None
    return (
        [specs[key] for key in keys],
        {name: [specs[key].write(lookup(values, key)) for key in keys] for name, values in rows.items()},
    )


def rate_facts(rate: Mapping[str, Any]) -> dict[str, str]:
    """The bits that each coder needs for the same PSNR."""
    return {
        f"{name}, {rate['psnr']:.0f} dB": f"{value:,.0f} bits"
        for key, name in metric_specs.RATE.items()
        if (value := lookup(rate, key)) is not None
    }


def variants(speed: Mapping[str, Any]) -> tuple[dict[str, Any], str]:
    """Returns the variants by name, and the champion's name; the table may list its metrics twice."""
    by_name = {name: values for name, values in speed.items() if name != "champion"}
    same = [name for name, values in by_name.items() if values == speed.get("champion")]
    return (by_name, same[0]) if same else (dict(speed), "champion")
