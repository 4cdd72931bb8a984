import pytest
from tests.support.parameters import section

from lexipix.compression.champion import choose_champion, choose_family, speed_table
from lexipix.compression.quality import quality_loss
from lexipix.utils.errors import LexipixError


def row(rate, attributes, kid=0.1):
    return {"images_per_s": rate, "attribute_accuracy": attributes, "r_precision": 0.9, "kid": kid}


def champion_parameters(**changes):
    return section("compression.champion", changes)


TABLE = {
    "torch_bf16": row(9000.0, 1.0),
    "onnx_fp32": row(500.0, 1.0),
    "onnx_int8": row(400.0, 1.0),  # slower than what it came from
    "pruned_onnx_fp32": row(900.0, 0.995),
    "small_onnx_fp32": row(3000.0, 0.97),
    "small_onnx_int8": row(4000.0, 0.90),
}


def card(alignment, similarity=0.8, ripple=1.0):
    metrics = {"val_alignment": alignment, "val_similarity": similarity, "val_flat_ripple": ripple}
    return {"metrics": metrics}


def test_the_family_is_the_given_or_the_better_agreement():
    assert choose_family("auto", card(0.5), card(0.4)) == "vae"
    assert choose_family("auto", card(0.5), card(0.6)) == "gan"
    assert choose_family("gan", card(0.5), card(0.4)) == "gan"


def test_beyond_the_real_images_own_agreement_only_similarity_counts():
    assert choose_family("auto", card(1.2, 0.7), card(1.0, 0.75)) == "gan"
    assert choose_family("auto", card(0.9, 0.7), card(0.8, 0.75)) == "vae"


def test_of_two_that_agree_equally_well_it_is_the_one_with_less_ripple():
    assert choose_family("auto", card(0.998, ripple=2.0), card(0.996, ripple=1.0)) == "gan"
    assert choose_family("auto", card(0.996, ripple=1.0), card(0.998, ripple=2.0)) == "vae"


@pytest.mark.parametrize("vae", [{"metrics": {}}, card(None)])
def test_without_a_figure_to_compare_it_is_the_vae(vae):
    assert choose_family("auto", vae, card(0.9)) == "vae"


def test_fastest_that_passes_the_gate_and_needs_no_torch():
    champion = choose_champion(champion_parameters(), "gan", TABLE)
    assert (champion["family"], champion["variant"]) == ("gan", "pruned_onnx_fp32")
    assert champion["metrics"] == TABLE["pruned_onnx_fp32"]
    wide = choose_champion(champion_parameters(max_quality_loss=0.2), "gan", TABLE)
    assert wide["variant"] == "small_onnx_int8"
    strict = choose_champion(champion_parameters(max_quality_loss=0.0), "gan", TABLE)
    assert strict["variant"] == "onnx_fp32", "int8 loses nothing, but it is slower"


def test_qualities_lie_on_one_frontier():
    qualities = choose_champion(champion_parameters(), "gan", TABLE)["qualities"]
    assert qualities == {"fast": "small_onnx_fp32", "balanced": "pruned_onnx_fp32", "best": "onnx_fp32"}
    speeds = [TABLE[qualities[name]]["images_per_s"] for name in ("best", "balanced", "fast")]
    assert speeds == sorted(speeds)


def test_fast_is_never_slower_than_the_champion():
    parameters = champion_parameters(max_quality_loss=0.05, fast_max_quality_loss=0.01)
    qualities = choose_champion(parameters, "gan", TABLE)["qualities"]
    assert qualities["fast"] == qualities["balanced"] == "small_onnx_fp32"


def test_a_given_variant_is_taken_whatever_was_measured():
    given = champion_parameters(variant="onnx_int8", fast_variant="small_onnx_fp32")
    champion = choose_champion(given, "gan", TABLE)
    assert champion["variant"] == "onnx_int8" and champion["metrics"] == TABLE["onnx_int8"]
    assert champion["qualities"]["fast"] == "small_onnx_fp32"


@pytest.mark.parametrize("variant", ["torch_bf16", "openvino_fp32"])
def test_an_unknown_variant_is_rejected_with_those_that_exist(variant):
    with pytest.raises(LexipixError, match=f"compression.champion.variant is {variant}.*small_onnx_int8"):
        choose_champion(champion_parameters(variant=variant), "gan", TABLE)


def test_the_baseline_is_required():
    table = {name: figures for name, figures in TABLE.items() if name != "onnx_fp32"}
    with pytest.raises(LexipixError, match=r"compression.variants does not hold onnx_fp32"):
        choose_champion(champion_parameters(), "gan", table)


def test_loss_is_the_largest_share_that_is_lost():
    baseline = {"attribute_accuracy": 0.9, "r_precision": 0.5, "kid": 0.1}
    assert quality_loss(
        {"attribute_accuracy": 0.81, "r_precision": 0.5, "kid": 9.0}, baseline
    ) == pytest.approx(0.1)
    assert quality_loss(
        {"attribute_accuracy": 0.9, "r_precision": 0.3, "kid": 0.1}, baseline
    ) == pytest.approx(0.4)
    assert quality_loss({"attribute_accuracy": 1.0, "r_precision": 0.6, "kid": 0.1}, baseline) == 0
    assert quality_loss({"kid": 0.2}, {"kid": 0.1}) == 0, "nothing to gate by"


def test_a_variant_without_quality_is_no_champion():
    assert quality_loss({"images_per_s": 1e6}, TABLE["onnx_fp32"]) == 1.0
    table = {**TABLE, "small_onnx_int8": {"images_per_s": 1e6}}
    assert choose_champion(champion_parameters(), "gan", table)["variant"] == "pruned_onnx_fp32"


def test_the_table_keeps_all_variants():
    champion = choose_champion(champion_parameters(), "gan", TABLE)
    vae = {"onnx_fp32": row(450.0, 0.99)}
    table = speed_table({"vae": vae, "gan": TABLE}, champion)
    assert set(table) == {"champion", "vae_onnx_fp32"} | {f"gan_{name}" for name in TABLE}
    assert table["champion"] == TABLE["pruned_onnx_fp32"]
    assert table["gan_small_onnx_int8"]["quality_loss"] == pytest.approx(0.1)
    assert table["vae_onnx_fp32"]["quality_loss"] == 0
