import pandas as pd
import pytest

from lexipix.evaluation.caption_metrics import measure_captions, measure_test_captions


def table_of(*captions):
    return pd.DataFrame({"caption": list(captions)})


def test_metrics_of_scenes_by_hand():
    one, two = "a small red star at the top on white", "a big blue ring at the left on gray"
    perfect = measure_captions([one, two], table_of(one, two), scenes=True)
    assert perfect["exact_match"] == perfect["bleu4"] == perfect["attribute_f1"] == 1.0
    assert perfect["cider_d"] == pytest.approx(10.0)
    half = measure_captions([one, "nonsense"], table_of(one, two), scenes=True)
    assert half["exact_match"] == half["attribute_f1"] == 0.5
    wrong_color = measure_captions([one.replace("red", "blue"), two], table_of(one, two), scenes=True)
    assert wrong_color["attribute_f1"] == pytest.approx((4 / 5 + 1) / 2)


def test_rows_without_caption_do_not_count():
    assert measure_captions(["a", "b"], table_of(None, "b"), scenes=False) == {
        "exact_match": 1.0,
        "bleu4": 0.0,
    }
    assert measure_captions(["a"], table_of(None), scenes=True) == {}


def test_measure_of_generated():
    table = pd.DataFrame(
        {
            "caption": ["a", "b", "c", "d"],
            "caption_source": ["generated", "generated", "given", "generated"],
            "withheld_caption": ["a", "x", None, None],
        }
    )
    test = pd.DataFrame({"caption": ["a"], "truth": [None]})
    assert measure_test_captions(test, table, {}) == {
        "generated_captions": 3,
        "generated_captions_exact_match": 0.5,
        "n_test": 1,
    }
    given = table[table["caption_source"] == "given"]
    assert measure_test_captions(test, given, {}) == {"generated_captions": 0, "n_test": 1}
