"""The choice of the champion: which generator is used, in which variant, for each quality."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from lexipix.compression.quality import GATED, quality_loss
from lexipix.config.compression import ChampionParameters
from lexipix.utils.errors import LexipixError
from lexipix.utils.types import BASELINE, SCORER, OnnxModel, OnnxPipeline

Family = Literal["vae", "gan"]
FAMILIES: tuple[Family, ...] = ("vae", "gan")
Row = Mapping[str, float]
Table = Mapping[str, Row]

# Families are compared on images drawn from validation captions, by a sum of two metrics: alignment, relative
# to that of real images and at most 1, and similarity to the real image. PSNR is not suitable: it prefers the
# mean of all images that fit a caption.
RECOGNIZED, SIMILARITY, RIPPLE = "val_alignment", "val_similarity", "val_flat_ripple"
# Both are means over some hundred images, so that a smaller difference is noise. Of two equal families the
# one with less ripple on flat areas is chosen.
TIE = 0.02


def choose_family(
    family: Literal["auto", "vae", "gan"], vae: Mapping[str, Any], gan: Mapping[str, Any]
) -> Family:
    """Returns the given family; for ``auto`` the better by validation, without it the VAE.

    The measures are among the metrics in the generators' cards.
    """
    if family != "auto":
        return family
    rows = [card["metrics"] for card in (vae, gan)]
    if any(row.get(key) is None for row in rows for key in (RECOGNIZED, SIMILARITY, RIPPLE)):
        return "vae"
    ours, theirs = (min(row[RECOGNIZED], 1.0) + row[SIMILARITY] for row in rows)
    if abs(ours - theirs) > TIE:
        return "vae" if ours > theirs else "gan"
    return "vae" if rows[0][RIPPLE] <= rows[1][RIPPLE] else "gan"


def choose_champion(parameters: ChampionParameters, family: Family, table: Table) -> dict[str, Any]:
    """Chooses the champion's variant by :func:`choose_variant`.

    Variants that need torch are in the table for comparison only: loading torch takes longer than the first
    image may take.

    Returns:
        JSON-able: ``family``, ``variant``, ``max_quality_loss``, ``metrics`` of the champion, and
        ``qualities``: the variant that ``kedro generate --quality`` takes for ``fast`` (the fastest within
        the wider gate), ``balanced`` (the champion) and ``best`` (the baseline).
    """
    gate = parameters.max_quality_loss
    champion = choose_variant(table, "variant", parameters.variant, gate)
    wider = max(parameters.fast_max_quality_loss, gate)
    fast = choose_variant(table, "fast_variant", parameters.fast_variant, wider)
    return {
        "family": family,
        "variant": champion,
        "max_quality_loss": gate,
        "metrics": dict(table[champion]),
        "qualities": {"fast": fast, "balanced": champion, "best": BASELINE},
    }


def champion_pipeline(
    choice: Mapping[str, Any],
    baseline: OnnxModel,
    variants: Mapping[str, OnnxModel],
    scorer: OnnxModel,
    nearest_words: Mapping[str, str],
) -> OnnxPipeline:
    """Returns the champion with all that it needs: the variants of its qualities, and the scorer.

    ``choice`` is that of :func:`choose_champion`; ``baseline`` and ``variants`` are of the chosen family.
    ``nearest_words`` are those of :func:`.nearest_words`.
    """
    models = {name: {**variants, BASELINE: baseline}[name] for name in choice["qualities"].values()}
    keys = ("image_size", "image_channels", "noise_dim", "max_tokens", "known_words")
    config = {"kind": "champion", **choice, **{key: baseline.config[key] for key in keys}}
    config["nearest_words"] = dict(nearest_words)
    return OnnxPipeline(config, {**models, SCORER: scorer}, dict(baseline.card))


def choose_variant(
    table: Table, key: str, given: str | None, gate: float, gated: Sequence[str] = GATED
) -> str:
    """Returns the given variant, or the fastest in batches of those without torch within the gate.

    ``key`` is the parameter under ``compression.champion`` with the value ``given``. The loss of quality
    counts for the metrics ``gated``.

    Raises:
        LexipixError: The baseline was not measured, or the given variant was not measured or needs torch.
    """
    if BASELINE not in table:
        raise LexipixError(
            f"compression.{key}s does not hold {BASELINE}, with which every other variant is compared: "
            "add it (conf/base/parameters_compression.yml)."
        )
    known = [name for name in table if "onnx_" in name]
    if given is None:
        passing = [name for name in known if quality_loss(table[name], table[BASELINE], gated) <= gate]
        return max(passing, key=lambda name: table[name]["images_per_s"])
    if given not in known:
        raise LexipixError(
            f"compression.champion.{key} is {given}, which is not a measured variant without torch: "
            f"choose from {', '.join(known)}, or add it to the variants (parameters_compression.yml)."
        )
    return given


def speed_table(tables: Mapping[Family, Table], champion: Mapping[str, Any]) -> dict[str, dict[str, float]]:
    """Returns the variants of all families in one table, as ``FAMILY_VARIANT``, and ``champion``.

    ``quality_loss`` is the share of quality that a variant loses to its family's baseline.
    """
    rows = {"champion": dict(champion["metrics"])}
    for family, table in tables.items():
        for name, row in table.items():
            rows[f"{family}_{name}"] = dict(row)
            if "kid" in row:
                rows[f"{family}_{name}"]["quality_loss"] = quality_loss(row, table[BASELINE])
    return rows
