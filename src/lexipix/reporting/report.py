"""The HTML report: one self-contained file that explains its metrics and needs no network."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from lexipix.reporting import metric_specs, plots, tables
from lexipix.reporting.metric_specs import lookup
from lexipix.reporting.plots import Pixels
from lexipix.reporting.summary import summary_lines
from lexipix.utils.alpha import on_checkerboard
from lexipix.utils.durations import format_seconds

if TYPE_CHECKING:
    import pandas as pd

THUMBNAIL = 128  # CSS pixels of a small image's longer side
NAMES = {"scenes": "Embedded scenes", "cifar10": "CIFAR-10", "folder": "Own images"}


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
    notes: Sequence[str]


def render_report(
    *,
    summary: Mapping[str, Any],
    metrics: Mapping[str, Any],
    paths: Mapping[str, Any],
    captioner: Mapping[str, Any],
    galleries: Sequence[Gallery],
    captions: Sequence[tuple[Pixels, str | None, str]],
    sheets: Mapping[str, Pixels],
    curves: Mapping[str, pd.DataFrame],
    run: Mapping[str, Any],
) -> str:
    """Renders the report as one HTML text with its images as PNG inside; what was not measured is left out.

    Captions are escaped, so that no caption becomes part of the page's code.

    Args:
        summary: Of the ingestion.
        metrics: As in ``metrics.json``.
        paths: As :func:`lexipix.evaluation.path_metrics.measure_paths` returns them.
        captioner: Metrics of the captioner's training and captions.
        galleries: Fixed test images first, then best and worst.
        captions: Images, uint8 (H, W, 3), with their true and their generated captions.
        sheets: Contact sheets and plots by the names of their datasets, uint8 (H, W, 3).
        curves: Training curves by model: one row per validation.
        run: ``seed``, ``machine`` (processor and cores) and ``code_revision``.
    """
    import jinja2

    speed, champion = tables.variants(metrics.get("speed", {}))
    captioners, captioner_champion = tables.variants(metrics.get("captioner_speed", {}))
    captioner_column = [tables.Column("captioner", metrics.get("captioner", {}), "ours")]
    training = metrics.get("training", {})
    seconds = {name: values["seconds"] for name, values in training.items() if "seconds" in values}
    source = str(summary.get("source", "Images"))
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("lexipix.reporting", "templates"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters["png"] = png
    environment.filters["seconds"] = format_seconds
    return environment.get_template("report.html.j2").render(
        run=run,
        name=NAMES.get(source, source),
        paths=paths,
        sheets=sheets,
        captions=captions,
        summary=summary_lines(metrics, paths["extras"]),
        direct=tables.direct_table(metrics),
        text=tables.text_table(metrics, paths["extras"], paths["real_vs_real"]),
        prompts=tables.prompts_tables(metrics.get("prompts", {})),
        captioner=tables.comparison_table(metric_specs.CAPTIONER, captioner_column),
        memorization=tables.plain_table(metrics.get("memorization", {}), metric_specs.MEMORIZATION),
        rates=tables.rate_facts(metrics.get("rate", {})),
        speed=tables.plain_table(speed, metric_specs.SPEED),
        champion=champion,
        captioner_speed=tables.plain_table(captioners, metric_specs.SPEED),
        captioner_champion=captioner_champion,
        frontier=plots.frontier_figure(speed, champion),
        training=tables.plain_table(training, metric_specs.TRAINING),
        data=metrics.get("data", {}),
        ingestion=summary,
        classifier_accuracy=lookup(metrics, "baseline", "real", "class_agreement"),
        captions_written=captioner,
        galleries=[gallery for gallery in galleries if len(gallery.notes)],
        curves={name: plots.curves_figure(rows) for name, rows in curves.items() if len(rows)},
        thumbnail=thumbnail_size,
        training_seconds=seconds,
        total_seconds=sum(seconds.values()),
        longest=max(seconds.values(), default=1.0),
    )


def png(pixels: Pixels) -> str:
    """Returns an image as a data URL: PNG in base64."""
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(on_checkerboard(pixels))).save(buffer, format="PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


def thumbnail_size(image: Pixels) -> tuple[int, int]:
    """Returns width and height in CSS pixels; small images are enlarged by an integer."""
    height, width = image.shape[:2]
    scale = THUMBNAIL / max(height, width)
    scale = scale if scale < 1 else int(scale)
    return round(width * scale), round(height * scale)
