"""The HTML report: one file that opens by double click, needs no network and explains its own figures."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from lexipix.reporting import metric_specs as wording
from lexipix.reporting import plots, tables
from lexipix.reporting.plots import Pixels
from lexipix.reporting.summary import findings, lookup

if TYPE_CHECKING:
    import pandas as pd

THUMBNAIL = 128  # pixels on the page for a small picture's longer side


@dataclass(frozen=True)
class Gallery:
    """Versions of the same pictures side by side.

    Attributes:
        title: In a few words, such as "Best".
        note: One sentence on how these pictures were chosen.
        columns: Heading to uint8 (N, H, W, 3) or to N texts, in the order of reading.
        notes: N short texts at the rows' ends, such as figures.
    """

    title: str
    note: str
    columns: Mapping[str, Pixels | Sequence[str]]
    notes: Sequence[str] = ()


@dataclass(frozen=True)
class CaptionExample:
    """A picture (uint8, H x W x 3) with the caption it came with and the one it was given."""

    image: Pixels
    truth: str | None
    generated: str


@dataclass(frozen=True)
class ReportContext:
    """Everything the report shows; an empty or absent part is left out.

    Attributes:
        name: Of the data set, as a heading.
        metrics: As in `metrics.json`.
        text_extras: By path (`vae`, `gan`, `words`, `champion`) further figures of the text path: frechet,
            recall, sharpness.
        floor: Distances of real pictures to other real ones: kid, kid_std, frechet, recall.
        galleries: The fixed test pictures first, then best and worst.
        captions: Examples of what the captioner said.
        caption_facts: Further lines on the captions.
        neighbours: Sheet of drawn pictures beside the nearest training pictures, uint8 (H, W, 3).
        rate: Plot of the direct path's quality over bits, likewise.
        information: Plot of both paths' quality over what is told of a picture, likewise.
        attention: Sheets of where it looked, uint8 (H, W, 3).
        curves: Training by name: one row a report.
        stage_seconds: Stage to the seconds it took.
        data_sheet: Samples of the data with their captions.
        data_facts: Further lines on the data, such as its source and digest.
        judge_facts: Lines on the evaluator, such as its accuracy on held-out pictures.
        n_images: Test pictures that were evaluated.
        n_candidates: Captions that R-precision chooses among.
        seed: Of the run.
        machine: In words: processor, cores, threads.
        code_revision: Of the project.
        created: Date and time, as text.
    """

    name: str
    metrics: Mapping[str, Any]
    text_extras: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    floor: Mapping[str, float] = field(default_factory=dict)
    galleries: Sequence[Gallery] = ()
    captions: Sequence[CaptionExample] = ()
    caption_facts: Mapping[str, str] = field(default_factory=dict)
    neighbours: Pixels | None = None
    rate: Pixels | None = None
    information: Pixels | None = None
    attention: Sequence[Pixels] = ()
    curves: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    stage_seconds: Mapping[str, float] = field(default_factory=dict)
    data_sheet: Pixels | None = None
    data_facts: Mapping[str, str] = field(default_factory=dict)
    judge_facts: Mapping[str, str] = field(default_factory=dict)
    n_images: int = 0
    n_candidates: int | None = None
    seed: int = 0
    machine: str = ""
    code_revision: str = ""
    created: str = ""


def render_report(context: ReportContext) -> str:
    """Renders the report as one self-contained HTML text; pictures are inside as PNG.

    Text from captions is escaped, so that no caption becomes part of the page's own code.
    """
    import jinja2

    speed, champion = tables.variants(context.metrics.get("speed", {}))
    captioners, captioner_champion = tables.variants(context.metrics.get("captioner_speed", {}))
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("lexipix.reporting", "templates"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters["png"] = png
    environment.filters["seconds"] = wording.write_seconds
    return environment.get_template("report.html.j2").render(
        report=context,
        findings=findings(context.metrics, context.text_extras),
        direct=tables.direct_table(context.metrics),
        text=tables.text_table(context.metrics, context.text_extras, context.floor),
        captioner=tables.captioner_table(context.metrics),
        memorisation=tables.plain_table(context.metrics.get("memorization", {}), wording.MEMORISATION),
        rates=tables.rate_facts(context.metrics.get("rate", {})),
        speed=tables.plain_table(speed, wording.SPEED),
        champion=champion,
        captioner_speed=tables.plain_table(captioners, wording.CAPTIONER_SPEED),
        captioner_champion=captioner_champion,
        frontier=plots.frontier_figure(speed, champion),
        training=tables.plain_table(context.metrics.get("training", {}), wording.TRAINING),
        data=data_facts(context),
        galleries=[_gallery(g) for g in context.galleries if _length(g)],
        curves={name: plots.curves_figure(curves) for name, curves in context.curves.items()},
        thumbnail=thumbnail_size,
        total_seconds=sum(context.stage_seconds.values()),
        longest=max(context.stage_seconds.values(), default=1.0),
    )


def data_facts(context: ReportContext) -> dict[str, str]:
    """Counts of the splits and whatever else is known of the data."""
    names = {
        "n_train": "Training",
        "n_val": "Validation",
        "n_test": "Test",
        "rejected": "Set aside",
        "image_size": "Size",
    }
    facts = {}
    for key, name in names.items():
        value = lookup(context.metrics, "data", key)
        if value is not None:
            facts[name] = (
                f"{value:.0f} × {value:.0f} pixels" if key == "image_size" else f"{value:,.0f} pictures"
            )
    return facts | dict(context.data_facts)


def png(pixels: Pixels) -> str:
    """A picture as the address of an `img`: PNG in base64."""
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(buffer, format="PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


def thumbnail_size(image: Pixels) -> tuple[int, int]:
    """Width and height on the page: a whole multiple for small pictures, so that their pixels stay square."""
    height, width = image.shape[:2]
    scale = THUMBNAIL / max(height, width)
    if scale > 1:
        scale = float(int(scale))
    return round(width * scale), round(height * scale)


def _length(gallery: Gallery) -> int:
    return min((len(column) for column in gallery.columns.values()), default=0)


def _gallery(gallery: Gallery) -> dict[str, Any]:
    columns = {name: column for name, column in gallery.columns.items() if len(column)}
    rows = [
        {
            "cells": [
                {"image": column[i] if isinstance(column, np.ndarray) else None,
                 "text": "" if isinstance(column, np.ndarray) else column[i]}
                for column in columns.values()
            ],
            "note": gallery.notes[i] if i < len(gallery.notes) else "",
        }
        for i in range(_length(gallery))
    ]  # fmt: skip
    return {
        "title": gallery.title,
        "note": gallery.note,
        "headings": list(columns),
        "rows": rows,
        "noted": bool(gallery.notes),
    }
