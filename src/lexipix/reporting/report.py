"""The HTML report: one self-contained file that explains its metrics and needs no network."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from lexipix.reporting import metric_specs, plots, tables
from lexipix.reporting.plots import Pixels
from lexipix.reporting.summary import summary_lines

if TYPE_CHECKING:
    import pandas as pd

THUMBNAIL = 128  # CSS pixels of a small image's longer side
DATA = {
    "n_train": "Training",
    "n_val": "Validation",
    "n_test": "Test",
    "rejected": "Rejected",
    "image_size": "Image size",
}


@dataclass(frozen=True)
class Gallery:
    """Versions of the same images side by side.

    Attributes:
        title: A few words, such as "Best".
        note: One sentence on how the images were chosen.
        columns: Heading to uint8 (N, H, W, 3) or to N texts, from left to right.
        notes: N short texts at the ends of the rows, such as metrics.
    """

    title: str
    note: str
    columns: Mapping[str, Pixels | Sequence[str]]
    notes: Sequence[str] = ()


@dataclass(frozen=True)
class CaptionExample:
    """An image, uint8 (H, W, 3), with its true caption, if it has one, and the generated caption."""

    image: Pixels
    reference: str | None
    generated: str


@dataclass(frozen=True)
class ReportContext:
    """Everything that the report shows; empty parts are left out.

    Attributes:
        name: Of the data set, as a heading.
        metrics: As in ``metrics.json``.
        text_extras: Further metrics of the text path by generator (``vae``, ``gan``, ``tokens``,
            ``champion``): frechet, recall, sharpness.
        real_vs_real: Distances between two sets of real images: kid, kid_std, frechet, recall.
        galleries: Fixed test images first, then best and worst.
        captions: Examples of the captioner.
        caption_facts: Further lines on the captions.
        neighbors: Sheet of generated images beside their nearest training images, uint8 (H, W, 3).
        rate: Plot of the direct path's quality over bits, uint8 (H, W, 3).
        information: Plot of quality over the information about an image, uint8 (H, W, 3).
        attention: Sheets of the captioner's attention, uint8 (H, W, 3).
        curves: Training curves by model: one row per validation.
        training_seconds: Duration of each training.
        data_sheet: Training images with their captions, uint8 (H, W, 3).
        data_facts: Further lines on the data, such as its source and digest.
        evaluator_facts: Lines on the evaluator, such as its training data.
        n_images: Evaluated test images.
        n_candidates: Captions that R-precision chooses among.
        seed: Of the run.
        machine: Processor, cores, threads.
        code_revision: Of the project.
        created: Date and time.
    """

    name: str
    metrics: Mapping[str, Any]
    text_extras: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    real_vs_real: Mapping[str, float] = field(default_factory=dict)
    galleries: Sequence[Gallery] = ()
    captions: Sequence[CaptionExample] = ()
    caption_facts: Mapping[str, str] = field(default_factory=dict)
    neighbors: Pixels | None = None
    rate: Pixels | None = None
    information: Pixels | None = None
    attention: Sequence[Pixels] = ()
    curves: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    training_seconds: Mapping[str, float] = field(default_factory=dict)
    data_sheet: Pixels | None = None
    data_facts: Mapping[str, str] = field(default_factory=dict)
    evaluator_facts: Mapping[str, str] = field(default_factory=dict)
    n_images: int = 0
    n_candidates: int | None = None
    seed: int = 0
    machine: str = ""
    code_revision: str = ""
    created: str = ""


def render_report(context: ReportContext) -> str:
    """Renders the report as one HTML text with its images as PNG inside.

    Captions are escaped, so that no caption becomes part of the page's code.
    """
    import jinja2

    metrics = context.metrics
    speed, champion = tables.variants(metrics.get("speed", {}))
    captioners, captioner_champion = tables.variants(metrics.get("captioner_speed", {}))
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("lexipix.reporting", "templates"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters["png"] = png
    environment.filters["seconds"] = metric_specs.write_seconds
    return environment.get_template("report.html.j2").render(
        report=context,
        summary=summary_lines(metrics, context.text_extras),
        direct=tables.direct_table(metrics),
        text=tables.text_table(metrics, context.text_extras, context.real_vs_real),
        captioner=tables.captioner_table(metrics),
        memorization=tables.plain_table(metrics.get("memorization", {}), metric_specs.MEMORIZATION),
        rates=tables.rate_facts(metrics.get("rate", {})),
        speed=tables.plain_table(speed, metric_specs.SPEED),
        champion=champion,
        captioner_speed=tables.plain_table(captioners, metric_specs.CAPTIONER_SPEED),
        captioner_champion=captioner_champion,
        frontier=plots.frontier_figure(speed, champion),
        training=tables.plain_table(metrics.get("training", {}), metric_specs.TRAINING),
        data=_data_facts(context),
        galleries=[_gallery_rows(gallery) for gallery in context.galleries if _length(gallery)],
        curves={name: plots.curves_figure(curves) for name, curves in context.curves.items()},
        thumbnail=thumbnail_size,
        total_seconds=sum(context.training_seconds.values()),
        longest=max(context.training_seconds.values(), default=1.0),
    )


def png(pixels: Pixels) -> str:
    """Returns an image as a data URL: PNG in base64."""
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(buffer, format="PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


def thumbnail_size(image: Pixels) -> tuple[int, int]:
    """Returns width and height in CSS pixels; small images are enlarged by an integer."""
    height, width = image.shape[:2]
    scale = THUMBNAIL / max(height, width)
    if scale > 1:
        scale = float(int(scale))
    return round(width * scale), round(height * scale)


def _data_facts(context: ReportContext) -> dict[str, str]:
    """Numbers of images in the splits, and further facts on the data."""
    facts = {}
    for key, name in DATA.items():
        value = metric_specs.lookup(context.metrics, "data", key)
        if value is not None:
            facts[name] = (
                f"{value:.0f} × {value:.0f} pixels" if key == "image_size" else f"{value:,.0f} images"
            )
    return facts | dict(context.data_facts)


def _length(gallery: Gallery) -> int:
    return min((len(column) for column in gallery.columns.values()), default=0)


def _gallery_rows(gallery: Gallery) -> dict[str, Any]:
    """Returns a gallery for the template, row by row; columns without content are left out."""
    columns = {name: column for name, column in gallery.columns.items() if len(column)}
    notes = [*gallery.notes, *[""] * _length(gallery)]
    return {
        "title": gallery.title,
        "note": gallery.note,
        "headings": list(columns),
        "rows": [
            {"cells": [column[i] for column in columns.values()], "note": notes[i]}
            for i in range(_length(gallery))
        ],
        "has_notes": bool(gallery.notes),
    }
