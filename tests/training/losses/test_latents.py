import pytest
import torch
from tests.support.generator_world import world

from lexipix.training.builders.common import pca_sample
from lexipix.training.losses.latents import channel_weights, latent_errors


def test_channels_count_by_what_they_do_to_the_image():
    vae = world().vae()
    vae.init_from_pca(pca_sample(world().images))
    weights = channel_weights(vae.decoder).flatten()
    assert float(weights.mean()) == pytest.approx(1.0, rel=1e-5)
    assert (weights.diff() <= 1e-6).all()  # whitened components come in the order of what they explain


def test_errors_by_hand():
    latents, target = torch.zeros(2, 2, 8, 8), torch.zeros(2, 2, 8, 8)
    target[1, 0], target[1, 1] = 1.0, 2.0
    weights = torch.tensor([0.5, 1.5])[None, :, None, None]
    assert latent_errors(latents, target, weights).tolist() == pytest.approx([0, (0.5 + 1.5 * 4) / 2])
