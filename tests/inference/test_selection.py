import pytest

from lexipix.inference.selection import Choice, choose
from lexipix.utils.errors import LexipixError

BUDGETS = {"fast": "small_onnx_int8", "balanced": "small_onnx_fp32", "best": "onnx_fp32"}
CHAMPION = {"family": "gan", "budgets": BUDGETS}


def test_the_champion_is_drawn_with_in_the_form_of_the_budget():
    assert choose(CHAMPION) == Choice("gan", "small_onnx_fp32")
    assert choose(CHAMPION, budget="best") == Choice("gan", None)
    names = [choose(CHAMPION, "gan", budget).name for budget in ("fast", "best")]
    assert names == ["gan small_onnx_int8", "gan"]


def test_the_other_family_has_no_smaller_forms():
    assert choose(CHAMPION, "vae", "fast") == Choice("vae", None)


def test_the_model_is_among_the_whole_ones_or_the_forms():
    whole, forms = {"vae": "v", "gan": "g"}, {"small_onnx_fp32": "s"}
    assert Choice("vae", None).among(whole, forms) == "v"
    assert Choice("gan", "small_onnx_fp32").among(whole, forms) == "s"


def test_a_champion_without_budgets_is_of_an_earlier_version():
    with pytest.raises(LexipixError, match="knows no budgets: run `kedro run --pipelines compression` again"):
        choose({"family": "gan"})
