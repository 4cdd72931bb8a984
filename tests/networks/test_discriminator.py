import pytest
import torch

from lexipix.networks.discriminator import Discriminator, PixelHead
from lexipix.networks.image_encoder import ConvImageEncoder

CHANNELS = (4, 6, 8)


@pytest.fixture
def discriminator():
    torch.manual_seed(0)
    return Discriminator(ConvImageEncoder(CHANNELS, (0, 1, 0), 10), CHANNELS, 10, width=8)


@pytest.fixture
def images():
    return torch.rand(3, 3, 16, 16, generator=torch.Generator().manual_seed(1)) * 2 - 1


@pytest.fixture
def vector():
    return torch.nn.functional.normalize(
        torch.randn(3, 10, generator=torch.Generator().manual_seed(2)), dim=1
    )


def test_the_frozen_encoder_and_the_rotations_get_no_gradients(discriminator, images, vector):
    discriminator(images, vector).sum().backward()
    frozen = {"image_encoder", "rotations"}
    for name, weight in discriminator.named_parameters():
        assert (weight.grad is None) == (name.split(".")[0] in frozen), name


def test_pictures_get_gradients_through_the_frozen_encoder(discriminator, images, vector):
    images.requires_grad_()
    features = discriminator.features(images)
    gradient = torch.autograd.grad(sum(f.square().sum() for f in features[:-1]), images)[0]
    assert gradient.abs().sum() > 0


def test_the_encoder_keeps_its_batch_statistics_in_training_mode(discriminator, images, vector):
    discriminator.train()
    before = {name: value.clone() for name, value in discriminator.image_encoder.named_buffers()}
    discriminator(images, vector)
    assert discriminator.heads[0].training
    for name, value in discriminator.image_encoder.named_buffers():
        assert torch.equal(value, before[name]), name


def test_rotations_keep_lengths(discriminator, images):
    maps = discriminator.image_encoder.maps(images)
    for rotated, plain in zip(discriminator.features(images), maps, strict=False):
        torch.testing.assert_close(rotated.norm(dim=1), plain.norm(dim=1), atol=1e-4, rtol=1e-4)


@torch.no_grad()
def test_the_first_columns_read_the_caption_and_the_others_do_not(discriminator, images, vector):
    discriminator.eval()
    logits, others = discriminator(images, vector), discriminator(images, vector.roll(1, 0))
    n = discriminator.n_heads
    assert n == 4
    assert logits.shape == (3, n + 8**2 + 4**2 + 2**2 + 4**2)
    assert (logits[:, :n] != others[:, :n]).all()
    assert torch.equal(logits[:, n:], others[:, n:])


@torch.no_grad()
def test_judging_features_is_the_whole_discriminator(discriminator, images, vector):
    discriminator.eval()
    judged = discriminator.judge(discriminator.features(images), vector)
    assert torch.equal(judged, discriminator(images, vector))


@torch.no_grad()
def test_the_pixel_head_sees_repetition(images, vector):
    torch.manual_seed(0)
    head = PixelHead(4, 10).eval()
    alone = head(images[:1], vector[:1])
    repeated = head(images[:1].expand(3, -1, -1, -1), vector[:1].expand(3, -1))
    various = head(images, vector[:1].expand(3, -1))
    # The batch's spread is all that differs for the first picture: none alone and repeated, some among others
    torch.testing.assert_close(repeated[1][0], alone[1][0])
    assert not torch.allclose(various[1][0], alone[1][0], atol=1e-5)
