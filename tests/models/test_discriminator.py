import pytest
import torch

from lexipix.models.discriminator import Discriminator, PixelHead, minibatch_deviation
from lexipix.models.image_encoder import ConvImageEncoder


@pytest.fixture
def discriminator():
    torch.manual_seed(0)
    return Discriminator(ConvImageEncoder((4, 6, 8), (0, 1, 0), 10), 10, width=8)


@pytest.fixture
def images():
    return torch.rand(3, 3, 16, 16, generator=torch.Generator().manual_seed(1)) * 2 - 1


@pytest.fixture
def embedding():
    return torch.nn.functional.normalize(
        torch.randn(3, 10, generator=torch.Generator().manual_seed(2)), dim=1
    )


def test_the_frozen_encoder_and_the_rotations_get_no_gradients(discriminator, images, embedding):
    logits = discriminator(images, embedding)
    (logits.match_logits.sum() + sum(patches.sum() for patches in logits.patch_logits)).backward()
    frozen = {"image_encoder", "rotations"}
    for name, weight in discriminator.named_parameters():
        assert (weight.grad is None) == (name.split(".")[0] in frozen), name


def test_images_get_gradients_through_the_frozen_encoder(discriminator, images, embedding):
    images.requires_grad_()
    rotated = discriminator.extract(images).rotated
    gradient = torch.autograd.grad(sum(m.square().sum() for m in rotated), images)[0]
    assert gradient.abs().sum() > 0


def test_the_encoder_keeps_its_batch_statistics_in_training_mode(discriminator, images, embedding):
    discriminator.train()
    before = {name: value.clone() for name, value in discriminator.image_encoder.named_buffers()}
    discriminator(images, embedding)
    assert discriminator.heads[0].training
    for name, value in discriminator.image_encoder.named_buffers():
        assert torch.equal(value, before[name]), name


def test_rotations_keep_lengths(discriminator, images):
    features = discriminator.extract(images)
    for rotated, plain in zip(features.rotated, features.maps, strict=True):
        torch.testing.assert_close(rotated.norm(dim=1), plain.norm(dim=1), atol=1e-4, rtol=1e-4)


@torch.no_grad()
def test_match_logits_depend_on_the_caption_and_patch_logits_of_frozen_maps_do_not(
    discriminator, images, embedding
):
    discriminator.eval()
    logits, other = discriminator(images, embedding), discriminator(images, embedding.roll(1, 0))
    assert logits.match_logits.shape == (3, 4)
    assert [patches.shape for patches in logits.patch_logits] == [(3, 8**2), (3, 4**2), (3, 2**2), (3, 4**2)]
    assert (logits.match_logits != other.match_logits).all()
    assert all(
        torch.equal(a, b) for a, b in zip(logits.patch_logits[:3], other.patch_logits[:3], strict=True)
    )


@torch.no_grad()
def test_extract_and_classify_are_the_whole_discriminator(discriminator, images, embedding):
    discriminator.eval()
    by_parts = discriminator.classify(discriminator.extract(images), embedding)
    whole = discriminator(images, embedding)
    assert torch.equal(by_parts.match_logits, whole.match_logits)
    assert all(torch.equal(a, b) for a, b in zip(by_parts.patch_logits, whole.patch_logits, strict=True))


@torch.no_grad()
def test_mismatch_logits_equal_the_match_logits_of_the_other_caption(discriminator, images, embedding):
    discriminator.eval()
    other = embedding.roll(1, 0)
    logits = discriminator.classify(discriminator.extract(images), embedding, other)
    assert torch.equal(logits.match_logits, discriminator(images, embedding).match_logits)
    torch.testing.assert_close(
        logits.mismatch_logits[:, :3], discriminator(images, other).match_logits[:, :3]
    )
    assert discriminator(images, embedding).mismatch_logits is None


def test_detached_features_have_no_gradients_to_the_images(discriminator, images):
    features = discriminator.extract(images.requires_grad_())
    assert all(m.requires_grad for m in (*features.maps, *features.rotated, features.images))
    cut = features.detach()
    assert not any(m.requires_grad for m in (*cut.maps, *cut.rotated, cut.images))
    assert all(torch.equal(a, b) for a, b in zip(features.rotated, cut.rotated, strict=True))


@torch.no_grad()
def test_the_pixel_head_detects_repetition(images, embedding):
    torch.manual_seed(0)
    head = PixelHead(4, 10, 3).eval()
    alone = head(images[:1], [embedding[:1]])
    repeated = head(images[:1].expand(3, -1, -1, -1), [embedding[:1].expand(3, -1)])
    various = head(images, [embedding[:1].expand(3, -1)])
    # For the first image only the batch's deviation differs: zero alone and repeated, positive among others
    torch.testing.assert_close(repeated[1][0], alone[1][0], atol=1e-4, rtol=1e-4)
    assert not torch.allclose(various[1][0], alone[1][0], atol=1e-3)


def test_only_images_with_similar_captions_are_compared():
    """Two different captions: the images of one repeat, those of the other vary."""
    embedding = torch.eye(4)[[0, 0, 1, 1]]
    maps = torch.tensor([1.0, 1.0, 5.0, 9.0])[:, None, None, None].expand(4, 2, 3, 3)
    deviation = minibatch_deviation(maps, 10 * embedding)
    torch.testing.assert_close(deviation, torch.tensor([0.0, 0.0, 4.0, 4.0]), atol=0.1, rtol=0)
    assert minibatch_deviation(maps[:1], embedding[:1]).tolist() == [0.0]
