"""The choice of the champion: which generator is used, in which variant, for each quality."""

from collections.abc import Callable, Mapping
from typing import Any, Literal

from lexipix.compression.quality import quality_loss
from lexipix.config.compression import ChampionParameters
from lexipix.utils.errors import LexipixError
from lexipix.utils.types import BASELINE, SCORER, OnnxModel, OnnxPipeline

Family = Literal["vae", "gan"]
FAMILIES: tuple[Family, ...] = ("vae", "gan")
Table = Mapping[str, Mapping[str, float]]
FamilyMetrics = Mapping[Family, Mapping[str, Any]]

# The metric that compares the families: how well images drawn from validation captions agree with them.
# PSNR is not suitable: it prefers the mean of all images that fit a caption.
OBJECTIVE = "val_alignment"
# It is a share of some hundred images, so that a smaller difference is noise. Of two equal families the GAN
# is chosen, whose images are sharper.
TIE = 0.01


def choose_family(family: Literal["auto", "vae", "gan"], metrics: FamilyMetrics) -> Family:
    """Returns the given family; for ``auto`` the one of the higher :data:`OBJECTIVE`, without it the VAE."""
    if family != "auto":
        return family
    known = {name: one[OBJECTIVE] for name, one in metrics.items() if one.get(OBJECTIVE) is not None}
    if len(known) < len(metrics):
        return "vae"
    return "vae" if known["vae"] > known["gan"] + TIE else "gan"


def choose_champion(parameters: ChampionParameters, family: Family, table: Table) -> dict[str, Any]:
    """Chooses the given variant, or the fastest in batches whose quality loss is within the gate.

    Variants that need torch are in the table for comparison only: loading torch takes longer than the first
    image may take.

    Args:
        parameters: The gates.
        family: The chosen family.
        table: Variant -> metrics of that family, as :func:`.variants.measure_variants` returns them.

    Returns:
        JSON-able: ``family``, ``variant``, ``max_quality_loss``, ``figures`` of the champion, and
        ``qualities``: the variant that ``kedro generate --quality`` takes for ``fast`` (the fastest within
        the wider gate), ``balanced`` (the champion) and ``best`` (the baseline).

    Raises:
        LexipixError: The baseline, or the given variant, is not in the table.
    """
    baseline = require_baseline(table, "compression.variants")

    def loss(row: Mapping[str, float]) -> float:
        return quality_loss(row, baseline)

    gate = parameters.max_quality_loss
    champion = given_variant(table, parameters.variant, "variant") or fastest(table, loss, gate)
    fast = given_variant(table, parameters.fast_variant, "fast_variant")
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
    """Returns the champion with all that it needs: the variants of its qualities, and the scorer.

    Args:
        choice: See :func:`choose_champion`.
        baseline: The uncompressed generator of the chosen family.
        variants: Its compressed variants by name.
        scorer: Scores candidates.
    """
    names = dict.fromkeys(choice["qualities"].values())
    models = {name: baseline if name == BASELINE else variants[name] for name in names}
    keys = ("image_size", "noise_dim", "max_tokens", "known_words")
    config = {"kind": "champion", **choice, **{key: baseline.config[key] for key in keys}}
    return OnnxPipeline(config, {**models, SCORER: scorer}, dict(baseline.card))


def require_baseline(table: Table, key: str) -> Mapping[str, float]:
    """Returns the metrics of the baseline.

    Args:
        table: Variant -> metrics.
        key: The parameter that lists the variants.

    Raises:
        LexipixError: It is not in the table.
    """
    if BASELINE not in table:
        raise LexipixError(
            f"{key} does not hold {BASELINE}, with which every other variant is compared: add it "
            "(conf/base/parameters_compression.yml)."
        )
    return table[BASELINE]


def given_variant(table: Table, variant: str | None, key: str) -> str | None:
    """Returns the variant that a parameter names, or None.

    Args:
        table: Variant -> metrics.
        variant: The parameter's value.
        key: Its name under ``compression.champion``.

    Raises:
        LexipixError: It was not measured, or needs torch.
    """
    known = [name for name in table if "onnx_" in name]
    if variant is not None and variant not in known:
        raise LexipixError(
            f"compression.champion.{key} is {variant}, which is not a measured variant without torch: "
            f"choose from {', '.join(known)}, or add it to the variants (parameters_compression.yml)."
        )
    return variant


def fastest(table: Table, loss: Callable[[Mapping[str, float]], float], gate: float) -> str:
    """Returns the fastest variant, in batches, that runs without torch and whose loss is at most the gate."""
    passing = {name: row for name, row in table.items() if "onnx_" in name and loss(row) <= gate}
    return max(passing, key=lambda name: passing[name]["images_per_s"])


def speed_table(tables: Mapping[Family, Table], champion: Mapping[str, Any]) -> dict[str, dict[str, float]]:
    """Returns the variants of all families in one table, as ``FAMILY_VARIANT``, and ``champion``.

    ``quality_loss`` is the share of quality that a variant loses to its family's baseline, if both were
    measured.
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
