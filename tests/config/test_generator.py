import math

import pytest
import yaml
from tests.support.parameters import base_parameters, section
from tests.support.project import REPOSITORY

from lexipix.utils.errors import LexipixError


def written(env):
    path = REPOSITORY / "conf" / env / "parameters_generator.yml"
    return yaml.safe_load(path.read_text(encoding="utf-8"))["generator"]


def test_scenes_and_folders_are_not_mirrored_for_their_captions_name_sides():
    assert not written("base")["flip"] and "flip" not in written("folder")


def test_the_tokens_of_an_image_have_at_most_2600_bits():
    levels = section("generator.tokens.tokenizer").levels
    assert 64 * sum(math.log2(level) for group in levels for level in group) <= 2600


@pytest.mark.parametrize("env", ["cifar10", "folder", "smoke"])
def test_an_environment_sets_changed_values_alone(env):
    def leaves(tree, prefix=""):
        for key, value in tree.items():
            inner = isinstance(value, dict)
            yield from leaves(value, f"{prefix}{key}.") if inner else [(f"{prefix}{key}", value)]

    base = dict(leaves(written("base")))
    unchanged = [key for key, value in leaves(written(env)) if base[key] == value]
    assert not unchanged


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"mirror": True}, "generator.mirror is unknown"),
        ({"vae.decoder_variance": 0.0}, "vae.decoder_variance = 0.0 is out of range: must be greater than 0"),
        ({"vae.latent_channels": 0}, "greater than or equal to 1"),
        ({"prior.width": 100}, "multiple of 32"),
        ({"prior.imle_candidates": 0}, "greater than or equal to 1"),
        ({"gan.gan_loss": "vanilla"}, "'hinge', 'wasserstein' or 'relativistic'"),
        ({"gan.start": "vae"}, "'regression', 'upsampling' or 'scratch'"),
        (
            {"gan.start": "upsampling", "gan.pretrain_fraction": 0.7, "gan.discriminator_warmup": 0.3},
            "leave the generator no time to learn: their sum must stay below 1",
        ),
        (
            {"gan.r1_gamma": 0.1, "gan.gan_loss": "wasserstein"},
            "generator.gan.r1_gamma = 0.1 has no effect .*use gp_weight",
        ),
        ({"gan.gp_weight": 10.0}, "generator.gan.gp_weight = 10 has no effect .*use r1_gamma"),
        (
            {"gan.training.gradient_accumulation_steps": 3},
            "generator.gan.training is not valid: batch_size = 32 must be a multiple of "
            "gradient_accumulation_steps = 3",
        ),
        ({"gan.augmentations": ["rotation"]}, "'color', 'translation' or 'cutout'"),
        ({"gan.discriminator_width": 9}, "multiple of 2"),
        ({"gan.training.epochs": 3}, "generator.gan.training.epochs is unknown"),
        ({"tokens.tokenizer.levels": [[4, 3]]}, "must begin with three levels"),
        (
            {"tokens.tokenizer.levels": [[4, 3, 2], [100, 100]]},
            "make 10000 tokens, and a codebook has",
        ),
        ({"tokens.transformer.decoding_steps": [1, 2]}, "generates 3 tokens of a cell, and a cell has 4"),
        ({"tokens.transformer.decoding_steps": [4, 0]}, "greater than or equal to 1"),
        (
            {"tokens.transformer.adversarial_fraction": 0.1},
            r"must be larger than generator.gan.discriminator_warmup = 0.15",
        ),
    ],
)
def test_wrong_values_are_refused(changes, sentence):
    with pytest.raises(LexipixError, match=sentence):
        base_parameters({f"generator.{key}": value for key, value in changes.items()})


def test_no_default_stands_outside_conf_base():
    for key in ("generator", "generator.vae.training", "run"):
        fields = type(section(key)).model_fields
        assert all(field.is_required() for field in fields.values()), key
