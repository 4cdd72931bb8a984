import pytest
import torch

from lexipix.models.discriminator import Discriminator, PixelHead, deviation_from_alike
from lexipix.models.image_encoder import ConvImageEncoder

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
    verdict = discriminator(images, vector)
    (verdict.fit.sum() + sum(places.sum() for places in verdict.patches)).backward()
    frozen = {"image_encoder", "rotations"}
    for name, weight in discriminator.named_parameters():
        assert (weight.grad is None) == (name.split(".")[0] in frozen), name


def test_pictures_get_gradients_through_the_frozen_encoder(discriminator, images, vector):
    images.requires_grad_()
    rotated = discriminator.look(images).rotated
    gradient = torch.autograd.grad(sum(m.square().sum() for m in rotated), images)[0]
    assert gradient.abs().sum() > 0


def test_the_encoder_keeps_its_batch_statistics_in_training_mode(discriminator, images, vector):
    discriminator.train()
    before = {name: value.clone() for name, value in discriminator.image_encoder.named_buffers()}
    discriminator(images, vector)
    assert discriminator.heads[0].training
    for name, value in discriminator.image_encoder.named_buffers():
        assert torch.equal(value, before[name]), name


def test_rotations_keep_lengths(discriminator, images):
    seen = discriminator.look(images)
    for rotated, plain in zip(seen.rotated, seen.maps, strict=True):
        torch.testing.assert_close(rotated.norm(dim=1), plain.norm(dim=1), atol=1e-4, rtol=1e-4)


@torch.no_grad()
def test_the_fit_reads_the_caption_and_the_frozen_maps_places_do_not(discriminator, images, vector):
    discriminator.eval()
    verdict, other = discriminator(images, vector), discriminator(images, vector.roll(1, 0))
    assert verdict.fit.shape == (3, 4)
    assert [places.shape for places in verdict.patches] == [(3, 8**2), (3, 4**2), (3, 2**2), (3, 4**2)]
    assert (verdict.fit != other.fit).all()
    assert all(torch.equal(a, b) for a, b in zip(verdict.patches[:3], other.patches[:3], strict=True))


@torch.no_grad()
def test_judging_what_was_seen_is_the_whole_discriminator(discriminator, images, vector):
    discriminator.eval()
    judged = discriminator.judge(discriminator.look(images), vector)
    whole = discriminator(images, vector)
    assert torch.equal(judged.fit, whole.fit)
    assert all(torch.equal(a, b) for a, b in zip(judged.patches, whole.patches, strict=True))


@torch.no_grad()
def test_another_caption_is_judged_along_as_by_itself(discriminator, images, vector):
    discriminator.eval()
    other = vector.roll(1, 0)
    verdict = discriminator.judge(discriminator.look(images), vector, other)
    assert torch.equal(verdict.fit, discriminator(images, vector).fit)
    torch.testing.assert_close(verdict.misfit[:, :3], discriminator(images, other).fit[:, :3])
    assert discriminator(images, vector).misfit is None


def test_what_was_seen_can_be_cut_off_from_the_pictures(discriminator, images):
    seen = discriminator.look(images.requires_grad_())
    assert all(m.requires_grad for m in (*seen.maps, *seen.rotated, seen.images))
    cut = seen.detach()
    assert not any(m.requires_grad for m in (*cut.maps, *cut.rotated, cut.images))
    assert all(torch.equal(a, b) for a, b in zip(seen.rotated, cut.rotated, strict=True))


@torch.no_grad()
def test_the_pixel_head_sees_repetition(images, vector):
    torch.manual_seed(0)
    head = PixelHead(4, 10).eval()
    alone = head(images[:1], [vector[:1]])
    repeated = head(images[:1].expand(3, -1, -1, -1), [vector[:1].expand(3, -1)])
    various = head(images, [vector[:1].expand(3, -1)])
    # The batch's spread is all that differs for the first picture: none alone and repeated, some among others
    torch.testing.assert_close(repeated[1][0], alone[1][0], atol=1e-4, rtol=1e-4)
    assert not torch.allclose(various[1][0], alone[1][0], atol=1e-3)


def test_only_pictures_with_alike_captions_are_compared():
    """Two captions, far apart: pictures that repeat under one of them and vary under the other."""
    vector = torch.eye(4)[[0, 0, 1, 1]]
    maps = torch.tensor([1.0, 1.0, 5.0, 9.0])[:, None, None, None].expand(4, 2, 3, 3)
    deviation = deviation_from_alike(maps, 10 * vector)
    torch.testing.assert_close(deviation, torch.tensor([0.0, 0.0, 4.0, 4.0]), atol=0.1, rtol=0)
    assert deviation_from_alike(maps[:1], vector[:1]).tolist() == [0.0]
