import numpy as np
import pytest
import torch
from torch.nn import functional as F

from lexipix.models.vae import VAE
from lexipix.scenes import render_many, sample_scene

CHANNELS = 6


@pytest.fixture(scope="module")
def images():
    rng = np.random.default_rng(0)
    pixels = render_many([sample_scene(rng) for _ in range(16)], rng)
    return torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 127.5 - 1


@pytest.fixture
def vae(images):
    torch.manual_seed(0)
    vae = VAE(4, CHANNELS, width=16, depth=1)
    vae.init_from_pca(images)
    return vae.eval()


def patches_of(images):
    """Patches of 4x4 pixels as rows, in the order of the network."""
    return F.pixel_unshuffle(images, 4).permute(0, 2, 3, 1).flatten(0, 2).double().numpy()


@torch.no_grad()
def test_an_untrained_vae_reconstructs_like_the_principal_components(vae, images):
    patches = patches_of(images)
    mean = patches.mean(0)
    _, _, axes = np.linalg.svd(patches - mean, full_matrices=False)
    axes = axes[:CHANNELS]
    expected = mean + (patches - mean) @ axes.T @ axes

    found = patches_of(vae.decoder(vae.encoder(images)[0]))
    np.testing.assert_allclose(found, expected, atol=1e-4)


@torch.no_grad()
def test_latents_start_white(vae, images):
    latents = vae.encoder(images)[0].permute(0, 2, 3, 1).flatten(0, 2)
    assert latents.mean(0).abs().max() < 1e-3
    torch.testing.assert_close(latents.T @ latents / len(latents), torch.eye(CHANNELS), atol=1e-2, rtol=0)


@torch.no_grad()
def test_initialisation_does_not_depend_on_the_first_random_weights(images):
    pairs = []
    for seed in range(2):
        torch.manual_seed(seed)
        vae = VAE(4, CHANNELS, width=16, depth=1)
        vae.init_from_pca(images)
        pairs.append(vae.decoder(vae.encoder(images)[0]))
    assert torch.equal(*pairs)


@pytest.mark.parametrize(("image_size", "channels"), [(8, 3), (16, 4), (64, 3)])
def test_each_patch_of_an_image_of_any_size_has_a_latent(image_size, channels):
    images = torch.rand(2, channels, image_size, image_size) * 2 - 1
    reconstruction, mean, logvar = VAE(4, 3, width=8, depth=1, image_channels=channels)(images)
    assert reconstruction.shape == images.shape
    assert mean.shape == logvar.shape == (2, 3, image_size // 4, image_size // 4)


def test_only_the_sampled_path_is_random(vae, images):
    assert not torch.equal(vae(images)[0], vae(images)[0])
    assert torch.equal(vae.encoder(images)[0], vae.encoder(images)[0])


def test_constant_images_give_finite_weights():
    vae = VAE(2, 4, 8, 1)
    vae.init_from_pca(torch.full((4, 3, 16, 16), 0.25))
    assert all(weight.isfinite().all() for weight in vae.parameters())
    torch.testing.assert_close(
        vae.decoder(vae.encoder(torch.full((1, 3, 16, 16), 0.25))[0]), torch.full((1, 3, 16, 16), 0.25)
    )
