"""Which generator is used in which form: when nobody says otherwise, and when speed or quality is wished."""

from collections.abc import Callable, Mapping
from typing import Any, Literal

from lexipix.compression.quality import quality_loss
from lexipix.config.compression import ChampionParameters
from lexipix.utils.errors import LexipixError
from lexipix.utils.types import BASELINE, SCORER, OnnxModel, OnnxPipeline

Family = Literal["vae", "gan"]
FAMILIES: tuple[Family, ...] = ("vae", "gan")
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


def choose_champion(parameters: ChampionParameters, family: Family, table: Table) -> dict[str, Any]:
    """The form that is wished, or the fastest, in batches, that loses at most what the gate allows.

    Forms that need torch stand in the table for comparison: loading torch alone takes longer than the whole
    first picture may take.

    Args:
        parameters: The gates.
        family: The chosen family.
        table: Variant -> figures of that family, as ``forms.measure_forms`` gives them.

    Returns:
        JSON-able: ``family``, ``variant``, ``max_quality_loss``, ``figures`` of the champion, and
        ``qualities``: the variant that ``kedro generate --quality`` takes for ``fast`` (the fastest within
        the wider gate), ``balanced`` (the champion) and ``best`` (the whole network).

    Raises:
        LexipixError: The whole network, or the form that is wished, is not among the variants.
    """
    whole = require_whole(table, "compression.variants")

    def loss(row: Mapping[str, float]) -> float:
        return quality_loss(row, whole)

    gate = parameters.max_quality_loss
    champion = wished(table, parameters.variant, "variant") or fastest(table, loss, gate)
    fast = wished(table, parameters.fast_variant, "fast_variant")
    fast = fast or fastest(table, loss, max(parameters.fast_max_quality_loss, gate))
    return {
        "family": family,
        "variant": champion,
        "max_quality_loss": parameters.max_quality_loss,
        "figures": dict(table[champion]),
        "qualities": {"fast": fast, "balanced": champion, "best": BASELINE},
    }


def champion_pipeline(
    choice: Mapping[str, Any], baseline: OnnxModel, variants: Mapping[str, OnnxModel], scorer: OnnxModel
) -> OnnxPipeline:
    """The champion with all it needs: the variants of its qualities, and the scorer.

    Args:
        choice: As :func:`choose_champion` gives it.
        baseline: The uncompressed generator of the chosen family.
        variants: Its compressed variants by name.
        scorer: Scores candidates.
    """
    names = dict.fromkeys(choice["qualities"].values())
    models = {name: baseline if name == BASELINE else variants[name] for name in names}
    keys = ("image_size", "noise_dim", "max_tokens", "known_words")
    config = {"kind": "champion", **choice, **{key: baseline.config[key] for key in keys}}
    return OnnxPipeline(config, {**models, SCORER: scorer}, dict(baseline.card))


def require_whole(table: Table, key: str) -> Mapping[str, float]:
    """The figures of the whole network.

    Args:
        table: Variant -> figures.
        key: The parameter that names the variants.

    Raises:
        LexipixError: It is not among them.
    """
    if BASELINE not in table:
        raise LexipixError(
            f"{key} does not hold {BASELINE}, the form that every other is held against: add it "
            "(conf/base/parameters_compression.yml)."
        )
    return table[BASELINE]


def wished(table: Table, variant: str | None, key: str) -> str | None:
    """The form that a parameter names; None if it names none.

    Args:
        table: Variant -> figures.
        variant: The parameter's value.
        key: Its name under ``compression.champion``.

    Raises:
        LexipixError: It was not measured, or needs torch.
    """
    known = [name for name in table if "onnx_" in name]
    if variant is not None and variant not in known:
        raise LexipixError(
            f"compression.champion.{key} is {variant}, which is none of the forms that can be shipped: "
            f"choose from {', '.join(known)}, or add it to the variants (parameters_compression.yml)."
        )
    return variant


def fastest(table: Table, loss: Callable[[Mapping[str, float]], float], gate: float) -> str:
    """The fastest variant, in batches, that runs without torch and whose loss is at most the gate."""
    passing = {name: row for name, row in table.items() if "onnx_" in name and loss(row) <= gate}
    return max(passing, key=lambda name: passing[name]["images_per_s"])


def speed_table(tables: Mapping[Family, Table], champion: Mapping[str, Any]) -> dict[str, dict[str, float]]:
    """All forms of all families in one table, as ``FAMILY_VARIANT``; the champion's figures once more.

    Each row says what share of quality it loses to its family's whole network, where both were judged.
    """
    rows = {}
    for family, table in tables.items():
        for name, row in table.items():
            lost = (
                {"quality_loss": quality_loss(row, table[BASELINE])}
                if BASELINE in table and "kid" in row
                else {}
            )
            rows[f"{family}_{name}"] = {**row, **lost}
    return {"champion": dict(champion["figures"]), **rows}
