import json

import pytest
from tests.support.small_world import save_language_model
from tokenizers import Tokenizer

from lexipix.data.tokenization import train_feature_tokenizer, train_tokenizer
from lexipix.datasets.pretrained import PretrainedModels
from lexipix.utils.tokenizer_files import require_small_steps

CAPTIONS = ["a red star", "a blue circle"]


def replaced(content, pattern="a"):
    return {"type": "Replace", "pattern": {"String": pattern}, "content": content}


def sequence(steps):
    return {"type": "Sequence", "normalizers": steps}


@pytest.fixture
def known():
    return json.loads(train_tokenizer(CAPTIONS, 300).to_str())


def test_our_own_tokenizers_are_allowed(known):
    require_small_steps(json.dumps(known))
    require_small_steps(train_feature_tokenizer(CAPTIONS * 2, 300).tokenizer.to_str())


@pytest.mark.parametrize("family", ["gpt2", "llama"])
def test_those_of_language_models_are_allowed(family, tmp_path):
    save_language_model(tmp_path / "x", family)
    require_small_steps(PretrainedModels(tmp_path).tokenizer("x", "a.key"))


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("normalizer", sequence([replaced("a" * 10)] * 9), "1,024 times as long"),
        ("normalizer", sequence([sequence([replaced("a", "")] * 9)] * 9), "1,024 times as long"),
        ("normalizer", replaced("a" * 10**6), "1,024 times as long"),
        ("decoder", None, "1,024 times as long"),
        ("padding", {"strategy": {"Fixed": 10**12}}, "pads to a fixed length"),
        ("padding", {"strategy": "BatchLongest", "pad_to_multiple_of": 10**12}, "pads to a fixed length"),
        ("post_processor", None, "append one token"),
    ],
)
def test_what_makes_a_text_long_is_refused(known, key, value, said):
    if key == "padding":
        value = known["padding"] | value
    if key == "decoder":
        value = {"type": "Sequence", "decoders": [known["decoder"]] * 40}
    changed = json.dumps(known | {key: value})
    Tokenizer.from_str(changed)  # which the library itself takes
    with pytest.raises(ValueError, match=said):
        require_small_steps(changed)


def test_a_text_that_is_repeated_is_refused(known):
    end = known["post_processor"]
    with pytest.raises(ValueError, match="append one token"):
        require_small_steps(json.dumps(known | {"post_processor": end | {"single": end["single"] * 1000}}))
    for token in end["special_tokens"].values():
        token["ids"] = token["ids"] * 1000
    with pytest.raises(ValueError, match="append one token"):
        require_small_steps(json.dumps(known))
