import math
from pathlib import Path

import pytest
import yaml
from pydantic import ValidationError

from lexipix.config.generator import GeneratorParameters

CONF = Path(__file__).parents[2] / "conf"


def written(env):
    return yaml.safe_load((CONF / env / "parameters_generator.yml").read_text())["generator"]


def test_scenes_and_folders_are_not_mirrored_for_their_captions_name_sides():
    assert not written("base")["flip"] and not written("folder")["flip"]


@pytest.mark.parametrize("model", ["vae", "prior", "gan"])
def test_each_training_knows_where_its_parameters_are(model):
    assert getattr(GeneratorParameters(), model).training.key == f"generator.{model}.training"


def test_the_trainings_of_the_words_know_it_too():
    words = GeneratorParameters().words
    for part in ("tokenizer", "writer"):
        assert getattr(words, part).training.key == f"generator.words.{part}.training"


def test_the_words_of_a_picture_have_at_most_2600_bits():
    levels = GeneratorParameters().words.tokenizer.levels
    assert 64 * sum(math.log2(level) for group in levels for level in group) <= 2600


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"mirror": True}, "mirror"),
        ({"vae": {"decoder_variance": 0.0}}, "greater than 0"),
        ({"vae": {"latent_channels": 0}}, "greater than or equal to 1"),
        ({"prior": {"width": 100}}, "multiple of 32"),
        ({"prior": {"noises": 0}}, "greater than or equal to 1"),
        ({"gan": {"adversary": "vanilla"}}, "'hinge', 'wasserstein' or 'relativistic'"),
        ({"gan": {"start": "vae"}}, "'regression', 'upsampling' or 'scratch'"),
        (
            {"gan": {"start": "upsampling", "teaching": 0.7, "head_start": 0.3}},
            "together they must stay below 1",
        ),
        ({"launch": {"processes": 0}}, "greater than or equal to 1"),
        (
            {"launch": {"processes": 3}},
            "vae.training.batch_size = 64 cannot be shared out evenly: make it a multiple of 3",
        ),
        (
            {"launch": {"processes": 4}, "prior": {"training": {"accumulate": 16}}},
            r"batch_size = 32 .* a multiple of 64, which is generator.launch.processes = 4 times",
        ),
        ({"gan": {"augmentations": ["rotation"]}}, "'color', 'translation' or 'cutout'"),
        ({"gan": {"discriminator_width": 9}}, "multiple of 2"),
        ({"gan": {"training": {"epochs": 3}}}, "epochs"),
        ({"words": {"tokenizer": {"levels": [[4, 3]]}}}, "must begin with three levels"),
        (
            {"words": {"tokenizer": {"levels": [[4, 3, 2], [100, 100]]}}},
            "make 10000 words, and a codebook has",
        ),
        ({"words": {"writer": {"passes": [1, 2]}}}, "writes 3 words of a cell, and it has 4"),
        ({"words": {"writer": {"passes": [4, 0]}}}, "greater than or equal to 1"),
        ({"words": {"writer": {"adversarial": 0.1}}}, r"no longer than .* alone \(generator.gan.head_start"),
    ],
)
def test_wrong_values_are_refused(change, said):
    with pytest.raises(ValidationError, match=said):
        GeneratorParameters.model_validate(change)
