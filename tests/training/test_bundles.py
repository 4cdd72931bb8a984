import json
import time

import pytest
import torch
from tests.support.parameters import section

from lexipix.data.tokenization import train_tokenizer
from lexipix.models.captioner import Captioner
from lexipix.models.language_model import small_gpt2
from lexipix.models.tokens_to_image import TokensToImage
from lexipix.models.vae import VAE
from lexipix.training.bundles import fingerprint, known_words, load_network, to_bundle, tokenizer_of
from lexipix.utils.errors import LexipixError
from lexipix.utils.types import ModelBundle

CONFIG = {
    "image_encoder": {"channels": [4, 8, 8], "blocks": [0, 0, 0], "embed_dim": 8},
    "language_model": small_gpt2(270, 12, 32, 1, eos_id=1).config.to_dict(),
    "conditioning": "cross_attention",
    "cells": 16,
    "start_id": 1,
    "pad_id": 0,
    "eos_id": 1,
}


@pytest.fixture
def bundle():
    torch.manual_seed(0)
    return to_bundle(
        "captioner", Captioner.from_config(CONFIG), CONFIG, tokenizer=train_tokenizer(["a"], 260),
        max_tokens=11, card_parameters=section("run"), data_digest="abc", metrics={"seconds": 1.0},
        image_size=16,
    )  # fmt: skip


def test_config_and_card_are_json(bundle):
    assert json.loads(json.dumps(bundle.config))["image_size"] == 16
    assert bundle.config["max_tokens"] == 11 and bundle.config["kind"] == "captioner"
    card = json.loads(json.dumps(bundle.card))
    assert card == {
        "parameters": section("run").model_dump(),
        "data_digest": "abc",
        "metrics": {"seconds": 1.0},
    }
    assert json.loads(bundle.tokenizer)["model"]["type"] == "BPE"


def test_tied_weights_are_kept_once_and_come_back_tied(bundle):
    assert "language_model.transformer.wte.weight" in bundle.weights
    assert "language_model.lm_head.weight" not in bundle.weights
    back = load_network(bundle, Captioner)
    assert back.language_model.lm_head.weight is back.language_model.transformer.wte.weight
    state = back.state_dict()
    assert all(torch.equal(state[key], value) for key, value in bundle.weights.items())
    assert not back.training


def test_bundle_shares_no_memory_with_the_network():
    module = Captioner.from_config(CONFIG)
    made = to_bundle(
        "captioner",
        module,
        CONFIG,
        card_parameters={},
        data_digest="",
        metrics={},
    )
    with torch.no_grad():
        module.positions.zero_()
    assert made.weights["positions"].abs().sum() > 0


def test_loading_does_not_change_the_global_random_state(bundle):
    before = torch.get_rng_state()
    load_network(bundle, Captioner)
    assert torch.equal(torch.get_rng_state(), before)


def test_weights_of_another_network_are_an_error(bundle):
    del bundle.weights["adapter.1.bias"]
    bundle.weights["strange"] = torch.zeros(1)
    with pytest.raises(
        LexipixError, match=r"captioner do not fit .*adapter\.1\.bias, strange.*: train the model again"
    ):
        load_network(bundle, Captioner)


@pytest.mark.parametrize(
    ("part", "key", "value"),
    [
        ("language_model", "n_positions", 300_000),
        ("language_model", "vocab_size", 10**9),
        ("language_model", "n_layer", 10**6),
        ("image_encoder", "channels", [4, 8, 10**6]),
        (None, "cells", 10**8),
    ],
)
def test_a_configuration_that_would_take_all_memory_is_an_error(bundle, part, key, value):
    network = json.loads(json.dumps(bundle.config["network"]))
    (network if part is None else network[part])[key] = value
    bundle.config["network"] = network
    start = time.perf_counter()
    with pytest.raises(LexipixError, match=r"do not fit the network that its config\.json describes"):
        load_network(bundle, Captioner)
    assert time.perf_counter() - start < 20


def test_weights_of_other_shapes_are_an_error(bundle):
    bundle.config["network"] = {**bundle.config["network"], "cells": 17}
    with pytest.raises(LexipixError, match=r"do not fit .*size mismatch for positions"):
        load_network(bundle, Captioner)


def test_a_network_of_another_kind_is_an_error(bundle):
    with pytest.raises(LexipixError, match="is a captioner, but a vae or tokens_to_image is needed here"):
        load_network(bundle, VAE, TokensToImage)


def test_a_bundle_loads_as_one_of_the_accepted_kinds(bundle):
    assert isinstance(load_network(bundle, VAE, Captioner), Captioner)


def test_the_fingerprint_differs_exactly_between_different_trainings(bundle):
    same = fingerprint(section("run", {"seed": 1}), {"b": 1, "a": 2}, "digest", bundle)
    assert same == fingerprint(section("run", {"seed": 1}), {"a": 2, "b": 1}, "digest", bundle)
    others = [
        fingerprint(section("run", {"seed": 2}), {"b": 1, "a": 2}, "digest", bundle),
        fingerprint(section("run", {"seed": 1}), {"b": 1, "a": 2}, "other", bundle),
        fingerprint(section("run", {"seed": 1}), {"b": 1, "a": 2}, "digest"),
    ]
    bundle.weights["positions"][0, 0] += 1
    others.append(fingerprint(section("run", {"seed": 1}), {"b": 1, "a": 2}, "digest", bundle))
    assert len({same, *others}) == 5


def test_known_words_are_lower_case_words():
    assert known_words(["A red star, red!", "two  STARS"]) == ["a", "red", "star", "stars", "two"]


def test_a_missing_tokenizer_is_an_error():
    with pytest.raises(LexipixError, match=r"kind vae needs a tokenizer\.json, but this one has none"):
        tokenizer_of(ModelBundle({"kind": "vae"}, {}))
