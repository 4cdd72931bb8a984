import numpy as np
import pytest
import torch
from tests.support.generator_world import CPU, Training, check_reproducible, pair_on, world
from tests.support.parameters import section

from lexipix.data.images import random_crop
from lexipix.training.builders.common import pca_sample
from lexipix.training.tasks.vae import CROP, VAETask


@pytest.fixture
def make():
    def make(**changes):
        settings = {"training.learning_rate": 2e-3, "decoder_variance": 1e-3, "ssim_weight": 0.01}
        parameters = section("generator.vae", settings | changes)
        vae = world().vae()
        vae.init_from_pca(pca_sample(world().images))
        return VAETask(vae, world().images, world().images[:10], parameters, CPU)

    return make


def test_a_few_images_are_learned(make):
    result, _, _ = Training(make, images=480)()
    psnr = [row["val_psnr"] for row in result.curves]
    assert psnr[-1] > psnr[0] > 15


def test_the_grid_shows_originals_above_reconstructions(make):
    grid = make().sample_grid()
    for number in range(8):
        above, below = pair_on(grid, number, 8, 16)
        assert np.array_equal(above, world().images[number])
        assert np.abs(above.astype(float) - below).mean() < 20


def test_the_objective_is_minus_psnr(make):
    metrics = make().validate()
    assert metrics == {"objective": -metrics["psnr"], "psnr": metrics["psnr"]}


def test_the_weight_of_the_divergence_rises(make):
    rows = torch.arange(8)

    def loss(progress):
        torch.manual_seed(0)
        return float(make(ssim_weight=0.0).step(rows, progress)["loss"])

    assert loss(0.0) < loss(0.1) < loss(0.2) == loss(0.9)


def test_one_seed_gives_the_same_bytes_interrupted_or_not(make):
    check_reproducible(make)


def test_larger_images_are_cut_at_random_and_smaller_ones_are_whole():
    torch.manual_seed(0)
    images = torch.arange(64.0).expand(3, 1, 64, 64)
    cuts = [random_crop(images, CROP) for _ in range(20)]
    assert all(cut.shape == (3, 1, CROP, CROP) for cut in cuts)
    assert len({float(cut[0, 0, 0, 0]) for cut in cuts}) > 5
    assert random_crop(images, 64) is images
