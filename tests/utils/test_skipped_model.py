import torch

from lexipix.utils.skipped_model import is_skipped, skipped, untrained
from lexipix.utils.types import ModelBundle


def test_it_says_why_and_has_nothing_to_load():
    bundle = skipped("generator.words.enabled is false")
    assert is_skipped(bundle) and bundle.config["because"] == "generator.words.enabled is false"
    assert bundle.weights == {} and bundle.tokenizer is None


def test_a_trained_model_is_not_left_out():
    assert not is_skipped(ModelBundle({"kind": "vae"}, {"weight": torch.ones(1)}))


def test_a_training_that_did_not_take_place_has_columns_and_no_rows():
    curves, figures = untrained()
    assert list(curves) == ["images_seen", "seconds"] and len(curves) == 0 and figures == {}
