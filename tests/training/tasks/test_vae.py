import math

import numpy as np
import pytest
import torch
from skimage.metrics import structural_similarity
from tests.support.generator_world import CPU, Training, check_reproducible, check_resumes, pair_on, world

from lexipix.training.tasks.vae import VAETask, structural_dissimilarity, vae_loss


@pytest.fixture
def make():
    def make(**changes):
        settings = {"learning_rate": 2e-3, "decoder_variance": 1e-3, "structure_weight": 0.01, "device": CPU}
        return VAETask(world().vae(), world().images, world().images[:10], **(settings | changes))

    return make


def test_loss_by_hand():
    images = torch.zeros(2, 3, 8, 8)
    mean, logvar = torch.full((2, 1, 8, 8), 2.0), torch.full((2, 1, 8, 8), math.log(3.0))
    loss, mse, kl = vae_loss(images, images + 0.5, mean, logvar, 0.01)
    assert float(mse) == pytest.approx(0.25**2)  # half of the range [-1, 1] is a quarter of [0, 1]
    assert float(kl) == pytest.approx(64 * 0.5 * (4 + 3 - 1 - math.log(3)), rel=1e-6)
    assert float(loss) == pytest.approx(0.25**2 + 2 * 0.01 * float(kl) / 192, rel=1e-6)


def test_a_standard_normal_posterior_costs_nothing():
    images, zero = torch.rand(2, 3, 8, 8), torch.zeros(2, 4, 8, 8)
    assert [float(x) for x in vae_loss(images, images, zero, zero, 0.01)] == [0.0, 0.0, 0.0]


def test_structural_dissimilarity_is_one_minus_ssim():
    pixels = world().images[:2].astype(np.float64)
    other = np.clip(pixels + np.random.default_rng(0).normal(0, 20, pixels.shape), 0, 255)
    # scikit-image averages over the pixels whose whole window lies inside, as this does
    expected = [
        structural_similarity(a, b, channel_axis=-1, data_range=255, use_sample_covariance=False)
        for a, b in zip(pixels, other, strict=True)
    ]
    a, b = (torch.from_numpy(x).permute(0, 3, 1, 2) / 127.5 - 1 for x in (pixels, other))
    assert float(structural_dissimilarity(a, a)) == pytest.approx(0, abs=1e-5)
    # Its constants belong to positive pixel values, so a shift to [-1, 1] changes the luminance term a little
    assert float(structural_dissimilarity(a, b)) == pytest.approx(1 - np.mean(expected), abs=0.1)


def test_a_few_pictures_are_learned(make):
    result, _, _ = Training(make, images=480)()
    psnr = [row["val_psnr"] for row in result.curves]
    assert psnr[-1] > psnr[0] > 15


def test_the_sheet_shows_originals_above_reconstructions(make):
    sheet = make().sheet()
    for number in range(8):
        above, below = pair_on(sheet, number, 8, 16)
        assert np.array_equal(above, world().images[number])
        assert np.abs(above.astype(float) - below).mean() < 20


def test_the_objective_is_minus_psnr(make):
    figures = make().validate()
    assert figures == {"objective": -figures["psnr"], "psnr": figures["psnr"]}


def test_the_weight_of_the_divergence_rises(make):
    rows = torch.arange(8)

    def loss(progress):
        torch.manual_seed(0)
        return float(make(structure_weight=0.0).step(rows, progress)["loss"])

    assert loss(0.0) < loss(0.1) < loss(0.2) == loss(0.9)


def test_same_seed_same_bytes(make):
    check_reproducible(make)


def test_resumes_to_the_bit(make):
    check_resumes(make)


def test_the_divergence_of_a_narrow_posterior_is_its_closed_form():
    images, narrow = torch.zeros(1, 3, 8, 8), torch.full((1, 1, 1, 1), math.log(0.25))
    expected = 0.5 * (0.25 - 1 - math.log(0.25))
    assert float(vae_loss(images, images, torch.zeros(1, 1, 1, 1), narrow, 1.0)[2]) == pytest.approx(expected)
