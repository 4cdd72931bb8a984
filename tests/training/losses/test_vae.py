import math

import pytest
import torch

from lexipix.training.losses.vae import vae_loss


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


def test_the_divergence_of_a_narrow_posterior_is_its_closed_form():
    images, narrow = torch.zeros(1, 3, 8, 8), torch.full((1, 1, 1, 1), math.log(0.25))
    expected = 0.5 * (0.25 - 1 - math.log(0.25))
    assert float(vae_loss(images, images, torch.zeros(1, 1, 1, 1), narrow, 1.0)[2]) == pytest.approx(expected)
