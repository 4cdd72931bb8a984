import numpy as np
import pytest
import torch
from tests.support.generator_world import CPU, Training, check_reproducible, pair_on, world
from tests.support.parameters import section

from lexipix.models.image_tokenizer import ImageTokenizer
from lexipix.training.builders.common import pca_sample
from lexipix.training.tasks.image_tokenizer import ImageTokenizerTask


@pytest.fixture
def make():
    def make(**changes):
        torch.manual_seed(0)
        network = ImageTokenizer(16, [[6, 4, 3], [4, 4], [3]], width=8, depth=1)
        settings = {"training.learning_rate": 2e-3, "nested_dropout_prob": 0.25}
        parameters = section("generator.tokens.tokenizer", settings | changes)
        network.init_from_pca(pca_sample(world().images))
        return ImageTokenizerTask(network, world().images, world().images[:10], parameters, CPU)

    return make


def test_a_few_images_are_learned(make):
    result, _, _ = Training(make, images=480)()
    psnr = [row["val_psnr"] for row in result.curves]
    assert psnr[-1] > psnr[0] > 15
    assert result.metrics["val_psnr"] > result.metrics["val_psnr_of_2"] > result.metrics["val_psnr_of_1"]


def test_nested_dropout_teaches_the_first_tokens_to_be_an_image(make):
    """With three quarters of the images cut, the first token alone holds more than where none is."""
    cut, whole = (
        Training(lambda prob=prob: make(nested_dropout_prob=prob), images=480)()[0].metrics
        for prob in (0.75, 0.0)
    )
    assert cut["val_psnr_of_1"] > whole["val_psnr_of_1"]


def test_the_sample_grid_shows_originals_above_what_their_tokens_give(make):
    grid = make().sample_grid()
    for number in range(8):
        above, below = pair_on(grid, number, 8, 16)
        assert np.array_equal(above, world().images[number])
        assert np.abs(above.astype(float) - below).mean() < 40


def test_one_seed_gives_the_same_bytes_interrupted_or_not(make):
    check_reproducible(make)
