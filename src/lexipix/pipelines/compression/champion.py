"""Which generator, in which form, is the one that is used when nobody says otherwise."""

from collections.abc import Mapping
from typing import Any, Literal

from lexipix.config.compression import ChampionParameters
from lexipix.errors import LexipixError

Family = Literal["vae", "gan"]
Table = Mapping[str, Mapping[str, float]]
Figures = Mapping[Family, Mapping[str, Any]]

# The family's figure that tells which draws better what the words say: the agreement of pictures drawn from
# validation captions with those captions. PSNR would not do: it prefers the average of all fitting pictures.
OBJECTIVE = "val_alignment"
# The figure is a share of some hundred pictures, so that two families this near are equal as far as anybody
# can tell; then the GAN it is, whose pictures are the sharper ones.
TIE = 0.01


def choose_family(wish: Literal["auto", "vae", "gan"], figures: Figures) -> Family:
    """The family that was wished, or the one with the higher :data:`OBJECTIVE`; without figures the VAE's."""
    if wish != "auto":
        return wish
    known = {
        family: those[OBJECTIVE] for family, those in figures.items() if those.get(OBJECTIVE) is not None
    }
    if len(known) < len(figures):
        return "vae"
    return "vae" if known["vae"] > known["gan"] + TIE else "gan"


def choose_champion(
    parameters: ChampionParameters,
    tables: Mapping[Family, Table],
    figures: Figures,
) -> dict[str, Any]:
    """The fastest form of the chosen family, at one image, that passes the gate and runs without torch.

    Forms that need torch stand in the table for comparison: loading torch alone takes longer than the whole
    first picture may take.

    Args:
        parameters: Wish and gate.
        tables: Family -> variant -> figures, as ``variants.measure_variants`` gives them.
        figures: Family -> what its training measured.

    Returns:
        JSON-able: family, variant, min_fidelity_psnr, and the variant's figures.

    Raises:
        LexipixError: Nothing passes the gate.
    """
    family = choose_family(parameters.family, figures)
    table = {name: row for name, row in tables[family].items() if name.startswith("onnx_")}
    if not table:
        raise LexipixError(
            "parameters: compression.variants holds no form that runs without torch: add onnx_fp32 "
            "(conf/base/parameters_compression.yml)."
        )
    gate = parameters.min_fidelity_psnr
    passing = {name: row for name, row in table.items() if row["fidelity_psnr"] >= gate}
    if not passing:
        best = max(table, key=lambda name: table[name]["fidelity_psnr"])
        raise LexipixError(
            f"No form of the {family} comes within compression.champion.min_fidelity_psnr = {gate:g} dB of "
            f"its fp32: {best} is nearest with {table[best]['fidelity_psnr']:.1f} dB; lower the parameter."
        )
    variant = min(passing, key=lambda name: passing[name]["latency_p50_ms"])
    figures_of_it = dict(passing[variant])
    return {"family": family, "variant": variant, "min_fidelity_psnr": gate, "figures": figures_of_it}


def speed_table(tables: Mapping[Family, Table], champion: Mapping[str, Any]) -> dict[str, dict[str, float]]:
    """All forms of all families in one table, as ``FAMILY_VARIANT``; the champion's figures once more."""
    rows = {f"{family}_{name}": dict(row) for family, table in tables.items() for name, row in table.items()}
    return {"champion": dict(champion["figures"]), **rows}
