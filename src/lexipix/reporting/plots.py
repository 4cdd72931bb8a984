"""Plots by matplotlib as pixels, uint8 (height, width, 3); matplotlib is imported when a plot is drawn."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pandas as pd

Pixels = NDArray[np.uint8]

BLUE, ORANGE, GREY = "#2f6db5", "#d1651b", "#9aa0a6"
INK, PAPER = "#202124", "#ffffff"
# Columns of a curves table that are no metrics
CLOCKS = ("images_seen", "seconds", "step", "epoch")
# Early stopping minimizes it: another metric with its sign changed, drawn only if that metric is not reported
OBJECTIVE = "objective"
# A curve that falls by more than this factor needs a logarithmic scale: its end would be a flat line
LOG_SPAN = 30.0
MAX_PANELS = 8
DPI = 160


def curves_figure(curves: pd.DataFrame) -> Pixels:
    """Plots the metrics of a training over the images seen: one panel per metric, validation in orange.

    Args:
        curves: One row per validation, with ``images_seen`` and one column per metric; the validation of
            ``loss`` is ``val_loss``. Without metrics there is a note instead of panels.
    """
    panels = _panels(curves)
    if not panels:
        return note(None, "no metrics were reported")
    n_columns = min(4, len(panels))
    n_rows = -(-len(panels) // n_columns)
    figure = blank_figure(3.1 * n_columns, 2.15 * n_rows + 0.1)
    axes = figure.subplots(n_rows, n_columns, squeeze=False).ravel()
    for axis in axes[len(panels) :]:
        axis.set_visible(False)
    for axis, (name, columns) in zip(axes, panels.items(), strict=False):
        for column in columns:
            known = curves[["images_seen", column]].dropna()
            color = ORANGE if column.startswith("val_") else BLUE
            marker = "o" if len(known) < 3 else None  # one or two points make no line
            axis.plot(*known.to_numpy(float).T, color=color, linewidth=1.5, marker=marker, markersize=3)
        axis.set_title(name, fontsize=9, loc="left", color=INK)
        if _wants_logarithm(curves[columns]):
            axis.set_yscale("log")
            axis.yaxis.set_major_formatter("{x:g}")
            axis.minorticks_off()
        tidy(axis)
        axis.xaxis.set_major_formatter(lambda x, _: f"{x / 1000:g}k" if abs(x) >= 1000 else f"{x:g}")
    if any(column.startswith("val_") for columns in panels.values() for column in columns):
        for text, color, inches in (("validation", ORANGE, 0.0), ("training", BLUE, 0.72)):
            right = 0.995 - inches / figure.get_figwidth()
            figure.text(right, 0.995, text, color=color, fontsize=8, ha="right", va="top")
    figure.supxlabel("images seen", fontsize=8, color=INK)
    return rendered(figure)


def frontier_figure(
    table: Mapping[str, Mapping[str, float]], champion: str | None = None, title: str | None = None
) -> Pixels:
    """Plots variants of models by speed and by the share of quality they lose, with their Pareto front.

    Variants without ``images_per_s`` or ``quality_loss`` are left out; the champion is highlighted.
    """
    import pandas as pd
    from matplotlib.ticker import LogLocator

    columns = ["images_per_s", "quality_loss"]
    points = pd.DataFrame(table).T.reindex(columns=columns).dropna().astype(float)
    if not len(points):
        return note(title, "no variant was evaluated")
    points["quality_loss"] *= 100
    figure = blank_figure(8.4, max(3.0, 0.24 * len(points) + 0.6))
    axis = figure.subplots()
    front = -pareto_front(-points, *columns)[::-1]
    axis.step(front["images_per_s"], front["quality_loss"], where="pre", color=GREY, linewidth=1.0)
    # Variants lie close together: points are numbered, and named beside the plot
    in_order = points.sort_values("images_per_s", kind="stable")
    for number, (name, rate, loss) in enumerate(in_order.itertuples(), 1):
        color = ORANGE if name == champion else BLUE if name in front.index else GREY
        label = f"{number}  {name.replace('_', ' ')}: {rate:,.0f} /s, {loss:.1f}%"
        axis.plot(rate, loss, "o", color=color, markersize=5, label=label)
        offset = (0, 5 if number % 2 else -11)
        axis.annotate(str(number), (rate, loss), offset, textcoords="offset points", fontsize=7, ha="center")
    axis.set_xscale("log")
    axis.set_yscale("symlog", linthresh=1.0)
    axis.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.xaxis.set_major_formatter("{x:,.0f}")
    axis.yaxis.set_major_formatter("{x:g}")
    axis.minorticks_off()
    axis.margins(x=0.08, y=0.2)
    tidy(axis)
    axis.legend(fontsize=8.5, frameon=False, loc="center left", bbox_to_anchor=(1.0, 0.5), handletextpad=0.2)
    axis.set_xlabel("images per second, in batches", fontsize=9, color=INK)
    axis.set_ylabel("quality lost (%)", fontsize=9, color=INK)
    if title:
        axis.set_title(title, fontsize=10, loc="left", color=INK, fontweight="bold")
    return rendered(figure)


def pareto_front(settings: pd.DataFrame, cost: str, quality: str) -> pd.DataFrame:
    """Returns the settings that no other setting beats at a lower cost, by ascending cost.

    ``cost`` and ``quality`` are columns; there is one row per setting.
    """
    ordered = settings.sort_values([cost, quality], ascending=[True, False])
    return ordered[ordered[quality] > ordered[quality].cummax().shift(fill_value=float("-inf"))]


def _panels(curves: pd.DataFrame) -> dict[str, list[str]]:
    """Returns the columns of each panel: a metric's training column, its validation column, or both."""
    panels: dict[str, list[str]] = {}
    for column in curves.columns:
        if column in CLOCKS or curves[column].dtype.kind not in "iuf" or curves[column].isna().all():
            continue
        panels.setdefault(str(column).removeprefix("val_"), []).append(str(column))
    if any(name != OBJECTIVE and f"val_{name}" in columns for name, columns in panels.items()):
        panels.pop(OBJECTIVE, None)
    return dict(list(panels.items())[:MAX_PANELS])


def _wants_logarithm(values: pd.DataFrame) -> bool:
    numbers = values.to_numpy(float)
    numbers = numbers[np.isfinite(numbers)]
    return bool(len(numbers) and numbers.min() > 0 and numbers.max() / numbers.min() > LOG_SPAN)


def tidy(axis: Any) -> None:
    """Styles an axis: no frame, faint horizontal lines."""
    axis.spines[["top", "right", "left"]].set_visible(False)
    axis.spines["bottom"].set_color(GREY)
    axis.grid(axis="y", color="#e4e6e9", linewidth=0.7)
    axis.set_axisbelow(True)
    axis.tick_params(labelsize=8, length=0, colors="#5f6368")


def note(title: str | None, text: str) -> Pixels:
    """Draws a sentence in place of a plot."""
    figure = blank_figure(4.5, 0.8)
    figure.text(0.02, 0.5, f"{title}: {text}" if title else text, fontsize=9, color="#5f6368", va="center")
    return rendered(figure)


def blank_figure(width: float, height: float) -> Any:
    """Returns an empty matplotlib figure; width and height in inches."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), dpi=DPI, facecolor=PAPER, layout="constrained")


def rendered(figure: Any) -> Pixels:
    """Renders a figure without pyplot, which would need a display and keep figures."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.array(canvas.buffer_rgba())[..., :3]
