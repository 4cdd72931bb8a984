import pytest
from tests.support.small_world import save_sentence_encoder

from lexipix.compression.nearest_words import _whole_words, nearest_words
from lexipix.datasets.pretrained import PretrainedModels

WORDS = ["trumpet", "saxophone", "pie", "pizza", "banjo", "house", "street", "cloud", "river", "window"]


@pytest.mark.parametrize("family", ["bert", "clip"])
@pytest.mark.parametrize("pools_first", [False, True])
def test_a_new_word_gets_the_known_word_that_means_the_same(family, pools_first, tmp_path):
    same = [("trumpet", "saxophone"), ("pie", "pizza")]
    save_sentence_encoder(tmp_path / "x", WORDS, same, family, pools_first)
    encoder = PretrainedModels(tmp_path).sentence_encoder("x", "the.key")
    found = nearest_words(encoder, ["trumpet", "pie", "cloud", "3d"])
    assert found["saxophone"] == "trumpet" and found["pizza"] == "pie"
    assert not set(found) & {"trumpet", "pie", "cloud"}, "known words stay what they are"
    assert "banjo" not in found, "nothing means the same"


def test_captions_without_words_have_no_nearest_words(tmp_path):
    save_sentence_encoder(tmp_path / "x", WORDS)
    encoder = PretrainedModels(tmp_path).sentence_encoder("x", "the.key")
    assert nearest_words(encoder, ["7", "ab"]) == {} == nearest_words(encoder, WORDS)


@pytest.mark.parametrize(
    "vocabulary",
    [
        ["Horse", "##shoe", "[CLS]", "ab"],
        ["ĠHorse", "shoe", "Ġab"],
        ["▁horse", "shoe"],
        ["horse</w>", "shoe"],
    ],
)
def test_whole_words_of_every_kind_of_vocabulary(vocabulary):
    assert _whole_words(vocabulary) == {"horse"}
