"""Quality over what is told of a picture, drawn: from nothing to a latent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lexipix.reporting.plots import BLUE, GREY, INK, ORANGE, Pixels, blank_figure, note, rendered, tidy
from lexipix.reporting.rate import MEASURES

if TYPE_CHECKING:
    import pandas as pd

# Path -> how it is called and drawn
LINES = {
    "nothing": ("nothing: the mean picture", GREY),
    "class": ("the class: its mean picture", GREY),
    "caption": ("the caption, drawn by each path", ORANGE),
    "words_alone": ("visual words alone", "#8ab4e0"),
    "words": ("caption and visual words, the writer adds the rest", BLUE),
    "latent": ("direct path: the latent, rounded and whole", INK),
}
SINGLE = ("nothing", "class", "caption")
NAMED = ("caption", "words", "latent")  # points whose setting is written beside them
WHOLE = "not rounded"


def information_figure(table: pd.DataFrame, n_images: int) -> Pixels:
    """Draw PSNR and SSIM over the bits that are told of a picture, 0 among them.

    Args:
        table: Columns ``path``, ``setting``, ``bits_per_image``, ``psnr`` and ``ssim``.
        n_images: Pictures that the figures are means of.

    Returns:
        uint8 (height, width, 3).
    """
    if not len(table):
        return note("what a picture needs to be told", "nothing was measured")
    figure = blank_figure(13.5, 4.2)
    for axis, (measure, name) in zip(figure.subplots(1, len(MEASURES)), MEASURES.items(), strict=True):
        for path, (label, color) in LINES.items():
            if (table["path"] == path).any():
                _draw(axis, table, path, measure, label, color)
        axis.set_xscale("symlog", linthresh=1.0, linscale=0.4)
        axis.set_xlim(-0.3, 4 * table["bits_per_image"].max())
        axis.xaxis.set_major_formatter("{x:,.0f}")
        axis.minorticks_off()
        axis.margins(y=0.08)
        tidy(axis)
        axis.set_title(name, fontsize=9, loc="left", color=INK)
        axis.set_xlabel(f"bits per picture, mean of {n_images:,}", fontsize=8, color=INK)
    axis.legend(fontsize=7, frameon=False, loc="center left", bbox_to_anchor=(1.0, 0.5))
    return rendered(figure)


def _draw(axis: Any, table: pd.DataFrame, path: str, measure: str, label: str, color: str) -> None:
    """One path's points with their names, joined where one tells more than the other."""
    own = table[table["path"] == path]
    single = path in SINGLE
    joined = own
    if path == "words":  # its line begins where no word is given
        joined = table[(table["path"] == path) | ((table["path"] == "caption") & (table["setting"] == path))]
    style = {"color": color, "linestyle": "none" if single else "-", "linewidth": 1.5}
    marker = "s" if path == "class" else "o"
    axis.plot(joined["bits_per_image"], joined[measure], marker=marker, markersize=4, label=label, **style)
    if path not in NAMED:
        return
    points = list(zip(own["setting"], own["bits_per_image"], own[measure], strict=True))
    if path == "latent":  # the points between would not be read
        points = [point for n, point in enumerate(points) if n == 0 or n >= len(points) - 2]
    for number, (setting, *point) in enumerate(sorted(points, key=lambda one: one[2])):
        # Points of the caption lie above one another: their names stand on both sides in turns
        left = bool(number % 2) or setting == "words" if single else path == "latent" and setting != WHOLE
        axis.annotate(
            _short(setting), point, (-5 if left else 5, 3 if path == "latent" else -3),
            textcoords="offset points", fontsize=6, color=color, ha="right" if left else "left",
        )  # fmt: skip


def _short(setting: str) -> str:
    return setting.removesuffix(" of all cells").removeprefix("1 word of ")
