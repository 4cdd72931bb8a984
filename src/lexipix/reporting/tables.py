"""The report's tables: figures with their sentences, beside what needs no model and what none could beat."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lexipix.reporting import metric_specs as wording
from lexipix.reporting.summary import lookup


@dataclass(frozen=True)
class Cell:
    """One value of a table and its kind: `ours`, `under`, `beside` (a baseline) or `best` (a ceiling)."""

    text: str
    kind: str = "beside"
    hint: str = ""


@dataclass(frozen=True)
class Row:
    """One figure of a table with its sentences and its cells."""

    figure: wording.Figure
    cells: Sequence[Cell]


@dataclass(frozen=True)
class Table:
    """Figures in rows, what is compared in columns."""

    headings: Sequence[str]
    rows: Sequence[Row]


def direct_table(metrics: Mapping[str, Any]) -> Table | None:
    """The direct path and visual words, beside the mean image and another picture with the same caption."""
    rows = []
    for key, figure in wording.DIRECT.items():
        ours = lookup(metrics, "direct", key)
        if ours is not None:
            beside = [lookup(metrics, "baseline", name, key) for name in ("mean_image", "same_caption")]
            in_words = Cell(figure.write(lookup(metrics, "words", key)), "ours")
            cells = [_ours(figure, ours, beside, True), in_words, *(Cell(figure.write(v)) for v in beside)]
            rows.append(Row(figure, cells))
    headings = ["direct path", "visual words and back", "mean image", "another picture, same caption"]
    return _without_empty_columns(Table(headings, rows))


def text_table(
    metrics: Mapping[str, Any], extras: Mapping[str, Mapping[str, float]], floor: Mapping[str, float]
) -> Table | None:
    """The text path beside what needs no words and what no one could beat.

    Its columns are VAE, GAN, visual words, and the champion as it is shipped.
    """
    rows = []
    for key, figure in wording.TEXT.items():
        ours = [
            lookup(metrics, "text", path, key) if value is None else value
            for path in ("vae", "gan", "words", "champion")
            for value in [extras.get(path, {}).get(key)]
        ]
        if all(value is None for value in ours):
            continue
        beside = [
            lookup(metrics, "baseline", name, key) for name in ("mean_image", "same_caption", "shuffled")
        ]
        best = lookup(metrics, "ceiling", key)
        if best is None:
            best = lookup(metrics, "baseline", "real", key)
        if best is None:
            best = floor.get(key, 1.0 if key == "sharpness" else None)
        higher = key not in ("kid", "frechet", "sharpness")
        cells = [_ours(figure, value, beside, higher) for value in ours]
        cells += [Cell(figure.write(value)) for value in beside]
        rows.append(Row(figure, [*cells, Cell(figure.write(best), "best")]))
    headings = [
        "VAE",
        "GAN",
        "visual words",
        "champion",
        "mean image",
        "another picture, same caption",
        "shuffled captions",
        "best possible",
    ]
    return _without_empty_columns(Table(headings, rows))


def captioner_table(metrics: Mapping[str, Any]) -> Table | None:
    """What the captions are worth, one column."""
    rows = [
        Row(figure, [Cell(figure.write(value), "ours")])
        for key, figure in wording.CAPTIONER.items()
        if (value := lookup(metrics, "captioner", key)) is not None
    ]
    return Table(["captioner"], rows) if rows else None


def _ours(figure: wording.Figure, value: float | None, beside: Sequence[float | None], higher: bool) -> Cell:
    """Our figure; marked where it is worse than all that needs no model.

    Not where it is worse than one of them: a sharp picture that puts things elsewhere loses to the mean
    image, and is no worse for it; and the same caption drawn afresh by the scenes' own renderer is hard to
    beat.
    """
    known = [b for b in beside if b is not None]
    if value is None or not known or not higher:
        return Cell(figure.write(value), "ours")
    if value < min(known):
        return Cell(figure.write(value), "under", "below every baseline")
    return Cell(figure.write(value), "ours")


def _without_empty_columns(table: Table) -> Table | None:
    if not table.rows:
        return None
    kept = [
        i
        for i in range(len(table.headings))
        if any(row.cells[i].text != wording.MISSING for row in table.rows)
    ]
    rows = [Row(row.figure, [row.cells[i] for i in kept]) for row in table.rows]
    return Table([table.headings[i] for i in kept], rows)


def plain_table(
    figures: Mapping[str, Any], words: Mapping[str, wording.Figure]
) -> tuple[list[wording.Figure], dict[str, list[str]]] | None:
    """Named things in rows, figures in columns; columns nobody has are left out."""
    rows = {name: values for name, values in figures.items() if isinstance(values, Mapping)}
    keys = [key for key in words if any(lookup(values, key) is not None for values in rows.values())]
    if not keys:
        return None
    return (
        [words[key] for key in keys],
        {name: [words[key].write(lookup(values, key)) for key in keys] for name, values in rows.items()},
    )


def rate_facts(rate: Mapping[str, Any]) -> dict[str, str]:
    """What each coder of pictures needs for one quality, in words."""
    return {
        f"{name}, {rate['psnr']:.0f} dB": f"{value:,.0f} bits"
        for key, name in wording.RATE.items()
        if (value := lookup(rate, key)) is not None
    }


def variants(speed: Mapping[str, Any]) -> tuple[dict[str, Any], str]:
    """The variants by name, and the champion's name; its figures may stand in the table a second time."""
    variants = {name: figures for name, figures in speed.items() if name != "champion"}
    champion = speed.get("champion")
    if isinstance(champion, Mapping):
        same = [name for name, figures in variants.items() if figures == champion]
        return (variants, same[0]) if same else (dict(speed), "champion")
    return variants, str(champion)
