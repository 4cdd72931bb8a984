"""Plots of PSNR and SSIM over bits per image: coders beside image formats, and paths by their information."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from lexipix.reporting.plots import (
    BLUE,
    GREY,
    INK,
    ORANGE,
    Pixels,
    blank_figure,
    note,
    pareto_front,
    rendered,
    tidy,
)

if TYPE_CHECKING:
    import pandas as pd

PALE_BLUE = "#8ab4e0"
METRICS = {"psnr": "PSNR (dB)", "ssim": "SSIM"}
# Key -> label and color; the last is drawn on top
CODERS = {
    "webp": ("WebP", GREY),
    "jpeg": ("JPEG", ORANGE),
    "latent": ("latent, n bits per number", PALE_BLUE),
    "latent_coded": ("latent, n bits, entropy-coded", BLUE),
    "latent_posterior": ("latent, steps of the posterior, entropy-coded", INK),
}
PATHS = {
    "nothing": ("nothing: mean image", GREY),
    "class": ("class: its mean image", GREY),
    "caption": ("caption, by each generator", ORANGE),
    "tokens_alone": ("image tokens alone", PALE_BLUE),
    "tokens": ("caption and image tokens", BLUE),
    "latent": ("latent of the direct path", INK),
}
ANNOTATED = ("caption", "tokens", "latent")


def rate_figure(table: pd.DataFrame, n_images: int) -> Pixels:
    """Plots quality over bits per image, one line per coder; dashed without file headers.

    A line connects the Pareto-optimal settings of a coder. The table's values are means of ``n_images``.
    """
    if not len(table):
        return note("Bits per image", "evaluation.rate.n_images is null: not measured")
    from matplotlib.ticker import LogLocator

    figure = blank_figure(12.5, 4.0)
    for axis, metric in _axes(figure, n_images):
        for coder, (label, color) in CODERS.items():
            own = table[table["coder"] == coder]
            whole, bare = own["bits_per_image"], own["bits_without_headers"]
            lines = [("bits_per_image", "-", label)]
            if not whole.equals(bare):
                lines.append(("bits_without_headers", "--", f"{label} without headers"))
            for column, style, name in lines if len(own) else ():
                front = pareto_front(own, column, metric)
                axis.plot(
                    front[column], front[metric], style, color=color, label=name, marker="o", markersize=2.5
                )
        axis.set_xscale("log")
        axis.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        tidy(axis)
    return rendered(figure)


def information_figure(table: pd.DataFrame, n_images: int) -> Pixels:
    """Plots quality over the bits of information about an image, from 0 bits to the whole latent."""
    if not len(table):
        return note("Information about an image", "evaluation.information.n_images is null: not measured")
    figure = blank_figure(12.5, 4.4)
    for axis, metric in _axes(figure, n_images):
        for path, (label, color) in PATHS.items():
            if (table["path"] == path).any():
                _plot_path(axis, table, path, metric, label, color)
        axis.set_xscale("symlog", linthresh=1.0, linscale=0.4)
        axis.set_xlim(-0.3, 4 * table["bits_per_image"].max())
        axis.margins(y=0.08)
        tidy(axis)
    return rendered(figure)


def _axes(figure: Any, n_images: int) -> Iterator[tuple[Any, str]]:
    """Yields one axis per metric to plot on, then labels it; the legend is at the right of the last."""
    for axis, (metric, name) in zip(figure.subplots(1, len(METRICS)), METRICS.items(), strict=True):
        yield axis, metric
        axis.xaxis.set_major_formatter("{x:,.0f}")
        axis.minorticks_off()
        axis.set_title(name, fontsize=10, loc="left", color=INK)
        axis.set_xlabel(f"bits per image, mean of {n_images:,}", fontsize=9, color=INK)
    axis.legend(fontsize=9, frameon=False, loc="center left", bbox_to_anchor=(1.0, 0.5))


def _plot_path(axis: Any, table: pd.DataFrame, path: str, metric: str, label: str, color: str) -> None:
    own = line = table[table["path"] == path]
    if path == "tokens":  # the line starts at the caption without any token
        line = table[(table["path"] == path) | ((table["path"] == "caption") & (table["setting"] == path))]
    style = "s" if path == "class" else "o" if path in ("nothing", "caption") else "o-"
    axis.plot(line["bits_per_image"], line[metric], style, color=color, markersize=4, label=label)
    if path not in ANNOTATED:
        return
    points = sorted(zip(own["setting"], own["bits_per_image"], own[metric], strict=True), key=lambda p: p[2])
    if path == "latent":  # labels between the first and the last two would overlap
        points = [points[0], *points[1:][-2:]]
    for number, (setting, *point) in enumerate(points):
        left = setting != "not rounded" if path == "latent" else path == "caption" and number % 2 == 1
        axis.annotate(
            setting.removesuffix(" of all cells").removeprefix("1 token of "), point, (-5 if left else 5, -3),
            textcoords="offset points", fontsize=8, color=color, ha="right" if left else "left",
        )  # fmt: skip
