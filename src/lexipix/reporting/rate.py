"""Quality over bits, drawn: the direct path beside picture formats."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lexipix.reporting.plots import BLUE, GREY, INK, ORANGE, Pixels, blank_figure, note, rendered, tidy

if TYPE_CHECKING:
    import pandas as pd

# Coder -> how it is called and drawn; what stands last is drawn on top
LINES = {
    "webp": ("WebP", GREY),
    "jpeg": ("JPEG", ORANGE),
    "latent": ("latent, n bits a number", "#8ab4e0"),
    "latent_coded": ("latent, n bits, entropy-coded", BLUE),
    "latent_posterior": ("latent, steps of the posterior, entropy-coded", INK),
}
MEASURES = {"psnr": "PSNR (dB)", "ssim": "SSIM"}


def rate_figure(table: pd.DataFrame, n_images: int) -> Pixels:
    """Draw PSNR and SSIM over the bits of a picture, one line a coder; dashed without headers.

    Of a coder's settings only those are joined that no other of its own beats with fewer bits.

    Args:
        table: Columns ``coder``, ``bits_per_image``, ``bits_without_headers``, ``psnr`` and ``ssim``.
        n_images: Pictures that the figures are means of.

    Returns:
        uint8 (height, width, 3).
    """
    if not len(table):
        return note("bits per picture", "nothing was measured")
    from matplotlib.ticker import LogLocator

    figure = blank_figure(11.5, 3.4)
    for axis, (measure, name) in zip(figure.subplots(1, len(MEASURES)), MEASURES.items(), strict=True):
        for coder, (label, color) in LINES.items():
            own = table[table["coder"] == coder]
            if not len(own):
                continue
            for column, style in (("bits_per_image", "-"), ("bits_without_headers", "--")):
                if style == "--" and own["bits_per_image"].equals(own["bits_without_headers"]):
                    continue
                joined = unbeaten(own, column, measure)
                said = label if style == "-" else f"{label}, headers not counted"
                line = axis.plot(joined[column], joined[measure], marker="o", markersize=2.5, label=said)[0]
                line.set(color=color, linestyle=style, linewidth=1.5)
        axis.set_xscale("log")
        axis.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.xaxis.set_major_formatter("{x:,.0f}")
        axis.minorticks_off()
        tidy(axis)
        axis.set_title(name, fontsize=9, loc="left", color=INK)
        axis.set_xlabel(f"bits per picture, mean of {n_images:,}", fontsize=8, color=INK)
    axis.legend(fontsize=7, frameon=False, loc="center left", bbox_to_anchor=(1.0, 0.5))
    return rendered(figure)


def unbeaten(own: pd.DataFrame, column: str, measure: str) -> pd.DataFrame:
    """Settings of a coder that none of its others beats with fewer bits, from few bits to many.

    Args:
        own: Its rows.
        column: Where the bits stand.
        measure: Where the quality stands.
    """
    ordered = own.sort_values([column, measure], ascending=[True, False])
    return ordered[ordered[measure] > ordered[measure].cummax().shift(fill_value=float("-inf"))]
