import pytest

from lexipix.config.compression import ChampionParameters
from lexipix.errors import LexipixError
from lexipix.pipelines.compression.champion import choose_champion, choose_family, speed_table


def row(latency, fidelity):
    return {"images_per_s": 100.0, "latency_p50_ms": latency, "size_mb": 1.0, "fidelity_psnr": fidelity}


TABLES = {
    "vae": {"torch_bf16": row(0.1, 90.0), "onnx_fp32": row(3.0, 95.0), "onnx_int8": row(2.0, 38.0)},
    "gan": {"torch_bf16": row(0.1, 90.0), "onnx_fp32": row(4.0, 95.0), "onnx_int8": row(2.0, 41.0)},
}
FIGURES = {"vae": {"val_alignment": 0.5}, "gan": {"val_alignment": 0.4}}


def test_family_is_the_wish_or_the_better_agreement():
    assert choose_family("auto", FIGURES) == "vae"
    assert choose_family("auto", {"vae": {"val_alignment": 0.5}, "gan": {"val_alignment": 0.6}}) == "gan"
    assert choose_family("gan", FIGURES) == "gan"


def test_of_two_that_agree_equally_well_it_is_the_sharper():
    assert choose_family("auto", {"vae": {"val_alignment": 0.998}, "gan": {"val_alignment": 0.996}}) == "gan"


@pytest.mark.parametrize("figures", [{}, {"val_alignment": None}])
def test_without_a_figure_to_compare_it_is_the_vae(figures):
    assert choose_family("auto", {"vae": figures, "gan": {"val_alignment": 0.9}}) == "vae"


def test_fastest_that_passes_the_gate_and_needs_no_torch():
    vae = choose_champion(ChampionParameters(), TABLES, FIGURES)
    assert (vae["family"], vae["variant"]) == ("vae", "onnx_fp32")  # int8 is faster, and too far from fp32
    gan = choose_champion(ChampionParameters(family="gan"), TABLES, FIGURES)
    assert (gan["family"], gan["variant"], gan["figures"]) == ("gan", "onnx_int8", TABLES["gan"]["onnx_int8"])
    strict = choose_champion(ChampionParameters(family="gan", min_fidelity_psnr=60), TABLES, FIGURES)
    assert strict["variant"] == "onnx_fp32"


def test_nothing_that_passes_is_told_with_the_nearest():
    with pytest.raises(
        LexipixError, match=r"min_fidelity_psnr = 99 dB of its fp32: onnx_fp32 is nearest with 95.0"
    ):
        choose_champion(ChampionParameters(min_fidelity_psnr=99), TABLES, FIGURES)


def test_nothing_that_runs_without_torch_is_told():
    tables = {family: {"torch_bf16": row(1, 90)} for family in ("vae", "gan")}
    with pytest.raises(LexipixError, match=r"compression.variants holds no form that runs without torch"):
        choose_champion(ChampionParameters(), tables, FIGURES)


def test_table_keeps_every_form_also_the_slow_and_the_bad():
    champion = choose_champion(ChampionParameters(), TABLES, FIGURES)
    table = speed_table(TABLES, champion)
    assert set(table) == {"champion"} | {f"{f}_{v}" for f in TABLES for v in TABLES[f]}
    assert table["champion"] == TABLES["vae"]["onnx_fp32"] and table["vae_onnx_int8"]["fidelity_psnr"] == 38.0
