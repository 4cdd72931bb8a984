"""The report's tables: metrics beside their baselines and their best possible value."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lexipix.reporting import metric_specs
from lexipix.reporting.metric_specs import MetricSpec, lookup

PATHS = {"vae": "VAE", "gan": "GAN", "tokens": "token generator", "champion": "champion"}
BASELINES = {
    "mean_image": "mean image",
    "same_caption": "another image, same caption",
    "shuffled": "shuffled captions",
}
LOWER_IS_BETTER = ("kid", "frechet")


@dataclass(frozen=True)
class Cell:
    """One value of a table and its kind: ``ours``, ``under``, ``baseline`` or ``best``."""

    text: str
    kind: str = "baseline"
    hint: str = ""


@dataclass(frozen=True)
class Row:
    """One metric of a table and its cells."""

    metric: MetricSpec
    cells: Sequence[Cell]


@dataclass(frozen=True)
class Table:
    """Metrics in rows; models, baselines and ceilings in columns."""

    headings: Sequence[str]
    rows: Sequence[Row]


def direct_table(metrics: Mapping[str, Any]) -> Table | None:
    """The direct path and the image tokens beside the baselines."""
    rows = []
    for key, spec in metric_specs.DIRECT.items():
        ours = lookup(metrics, "direct", key)
        if ours is not None:
            baselines = [lookup(metrics, "baseline", name, key) for name in ("mean_image", "same_caption")]
            tokens = Cell(spec.write(lookup(metrics, "tokens", key)), "ours")
            cells = [Cell(spec.write(value)) for value in baselines]
            rows.append(Row(spec, [_ours(spec, ours, baselines), tokens, *cells]))
    headings = ["direct path", "image tokens", BASELINES["mean_image"], BASELINES["same_caption"]]
    return _without_empty_columns(Table(headings, rows))


def text_table(
    metrics: Mapping[str, Any], extras: Mapping[str, Mapping[str, float]], real_vs_real: Mapping[str, float]
) -> Table | None:
    """The text path of each generator beside the baselines and the best possible value.

    Args:
        metrics: As in ``metrics.json``.
        extras: Further metrics by path.
        real_vs_real: Distances between two sets of real images.
    """
    rows = []
    for key, spec in metric_specs.TEXT.items():
        ours = [extras.get(path, {}).get(key, lookup(metrics, "text", path, key)) for path in PATHS]
        if all(value is None for value in ours):
            continue
        baselines = [lookup(metrics, "baseline", name, key) for name in BASELINES]
        default = real_vs_real.get(key, 1.0 if key == "sharpness" else None)
        candidates = lookup(metrics, "ceiling", key), lookup(metrics, "baseline", "real", key), default
        best = next((value for value in candidates if value is not None), None)
        beaten = [] if key in LOWER_IS_BETTER else baselines
        cells = [_ours(spec, value, beaten) for value in ours] + [Cell(spec.write(v)) for v in baselines]
        rows.append(Row(spec, [*cells, Cell(spec.write(best), "best")]))
    return _without_empty_columns(Table([*PATHS.values(), *BASELINES.values(), "best possible"], rows))


def captioner_table(metrics: Mapping[str, Any]) -> Table | None:
    """The captioner's metrics in one column."""
    rows = [
        Row(spec, [Cell(spec.write(value), "ours")])
        for key, spec in metric_specs.CAPTIONER.items()
        if (value := lookup(metrics, "captioner", key)) is not None
    ]
    return Table(["captioner"], rows) if rows else None


def _ours(spec: MetricSpec, value: float | None, baselines: Sequence[float | None]) -> Cell:
    """Returns our cell, marked if the value is below every baseline.

    One baseline above it is no fault: a sharp image with other positions scores below the mean image, and a
    caption rendered again by the scenes' own renderer is hard to beat.
    """
    known = [baseline for baseline in baselines if baseline is not None]
    if value is not None and known and value < min(known):
        return Cell(spec.write(value), "under", "below every baseline")
    return Cell(spec.write(value), "ours")


def _without_empty_columns(table: Table) -> Table | None:
    if not table.rows:
        return None
    columns = zip(*(row.cells for row in table.rows), strict=True)
    kept = [i for i, cells in enumerate(columns) if any(c.text != metric_specs.MISSING for c in cells)]
    rows = [Row(row.metric, [row.cells[i] for i in kept]) for row in table.rows]
    return Table([table.headings[i] for i in kept], rows)


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
    champion = speed.get("champion")
    if not isinstance(champion, Mapping):
        return by_name, str(champion)
    same = [name for name, values in by_name.items() if values == champion]
    return (by_name, same[0]) if same else (dict(speed), "champion")
