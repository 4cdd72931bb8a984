import pytest
from tests.support.parameters import base_parameters

from lexipix.utils.errors import LexipixError

BAG = {
    "features.text_encoder.kind": "bag_of_features",
    "captioner.tokenizer": {"vocabulary": 300, "max_tokens": 20},
    "generator.prior.neighbors": 4,
    "generator.gan.start": "regression",
    "generator.tokens.enabled": False,
    "generator.tokens.transformer.prior_hint": False,
}
PRETRAINED = {"captioner.language_model.source": "pretrained", "captioner.language_model.path": "gpt2"}


def test_a_bag_of_features_with_a_tokenizer_of_the_captioner_can_retrieve():
    base_parameters(BAG)
    base_parameters(BAG | PRETRAINED)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"captioner.tokenizer": None}, "give the language model captioner.tokenizer"),
        ({"features.tokenizer": "gpt2"}, "set it to null"),
        ({"generator.tokens.enabled": True}, "generator.tokens.enabled to false"),
        ({"generator.prior.neighbors": 0}, "generator.prior.neighbors to 4"),
        (
            {"features.text_encoder.kind": "transformer", "generator.prior.neighbors": 0},
            "captioner.tokenizer to null",
        ),
        (
            PRETRAINED
            | {
                "features.text_encoder.kind": "transformer",
                "captioner.tokenizer": None,
                "generator.prior.neighbors": 0,
            },
            "set features.tokenizer to gpt2",
        ),
    ],
)
def test_generators_that_need_one_tokenizer_say_how_to_get_it(changes, message):
    with pytest.raises(LexipixError, match=message):
        base_parameters(BAG | changes)
