import numpy as np
import pytest
import torch

from lexipix.data.images import normalize, to_uint8
from lexipix.evaluation.direct_path import LatentCodec, measure_token_round_trip
from lexipix.metrics.images import psnr, ssim
from lexipix.models.vae import VAE
from lexipix.training.bundles import load_network


def test_direct_path_and_its_information(vae, run, image_splits):
    images = image_splits.test.images[:7]
    codec = LatentCodec(vae, run, batch_size=3)
    assert codec.reconstruct(images).shape == images.shape
    bits = codec.bits(images)
    assert bits == pytest.approx(LatentCodec(vae, run, batch_size=7).bits(images))
    assert bits > 0


def test_latents_are_decoded_in_their_places(vae, run, image_splits):
    images, codec, network = image_splits.test.images[:7], LatentCodec(vae, run, 7), load_network(vae, VAE)
    with torch.inference_mode():
        expected = to_uint8(network.decoder(network.encoder(normalize(torch.from_numpy(images)))[0]))
    mean, logvar = codec.encode(images)
    assert mean.shape == logvar.shape == (7, 64, 4)
    np.testing.assert_array_equal(codec.decode(mean), expected)


def test_bits_of_a_latent_are_its_divergence_from_the_standard_normal(vae, run, image_splits):
    images = image_splits.test.images[:2]
    codec = LatentCodec(vae, run, batch_size=2)
    mean, logvar = (values.astype(float) for values in codec.encode(images))
    nats = ((mean**2 + np.exp(logvar) - 1 - logvar) / 2).sum() / 2
    assert codec.bits(images) == pytest.approx(nats / np.log(2), rel=1e-5)


def test_images_from_all_of_their_tokens_are_measured_on_pixels(tokens, image_splits, run):
    images = image_splits.test.images[:5]
    metrics = measure_token_round_trip(tokens, images, run, 2)
    assert metrics["bits_per_image"] == pytest.approx(64 * np.log2(8 * 8 * 4 * 3 * 3))
    assert metrics == pytest.approx(measure_token_round_trip(tokens, images, run, 5), rel=1e-3)
    assert 15 < metrics["psnr"] < 35 and 0.3 < metrics["ssim"] < 1
    mean = np.broadcast_to(images.mean((1, 2), keepdims=True).round().astype(np.uint8), images.shape)
    assert metrics["psnr"] > psnr(images, mean).mean() and metrics["ssim"] > ssim(images, mean).mean()
