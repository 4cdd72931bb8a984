import math

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from lexipix.models.image_tokenizer import ImageTokenizer, code_values, nearest_tokens
from lexipix.scenes import render_many, sample_scene

LEVELS = [[8, 4, 3], [5, 5], [3, 2]]


@pytest.fixture(scope="module")
def images():
    rng = np.random.default_rng(0)
    pixels = render_many([sample_scene(rng) for _ in range(16)], rng)
    return torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 127.5 - 1


@pytest.fixture
def image_tokenizer(images):
    torch.manual_seed(0)
    network = ImageTokenizer(32, LEVELS, width=16, depth=1)
    network.init_from_pca(images)
    return network.eval()


def psnr(images, others):
    error = (images - others.clamp(-1, 1)).square().flatten(1).mean(1) / 4
    return float(-10 * error.log10().mean())


def test_bits_are_the_log2_of_the_codebook_sizes(image_tokenizer):
    assert image_tokenizer.codebook_sizes == [96, 25, 6]
    assert image_tokenizer.bits == pytest.approx(64 * math.log2(96 * 25 * 6))


@torch.no_grad()
def test_the_tokens_alone_determine_the_reconstruction(image_tokenizer, images):
    tokens = image_tokenizer.tokenize(images)
    assert tokens.shape == (16, 3, 64) and tokens.dtype == torch.int64
    for codebook, size in enumerate(image_tokenizer.codebook_sizes):
        assert int(tokens[:, codebook].min()) >= 0 and int(tokens[:, codebook].max()) < size
    back = image_tokenizer.decode(image_tokenizer.codes(tokens))
    torch.testing.assert_close(back, image_tokenizer(images), atol=1e-4, rtol=0)


def test_codes_of_tokens_are_distinct_and_do_not_change_by_rounding(image_tokenizer):
    """Codes at the centers of their levels stay, and no two tokens have the same code."""
    tokens = torch.stack([torch.arange(6 * 64) % size for size in image_tokenizer.codebook_sizes])[None]
    codes = image_tokenizer.codes(tokens.unflatten(2, (6, 64)).permute(0, 2, 1, 3).flatten(0, 1))
    torch.testing.assert_close(image_tokenizer.quantize(codes), codes)
    first = codes[:, :3].permute(0, 2, 3, 1).flatten(0, 2)[:96]
    assert len(first.unique(dim=0)) == 96


def test_rounding_passes_gradients_and_stays_in_range(image_tokenizer):
    codes = torch.linspace(-1, 1, 7 * 64).view(1, 7, 8, 8).requires_grad_()
    rounded = image_tokenizer.quantize(codes)
    rounded.sum().backward()
    assert torch.equal(codes.grad, torch.ones_like(codes))
    widths = 1 / image_tokenizer.levels
    assert ((rounded - codes).abs() <= widths + 1e-6).all()
    assert rounded.abs().max() < 1


@torch.no_grad()
def test_an_untrained_network_already_reconstructs(image_tokenizer, images):
    found = [psnr(images, image_tokenizer(images, known)) for known in (1, 2, 3)]
    assert found == sorted(found) and found[0] > 15 and found[2] > 18


@torch.no_grad()
def test_the_first_token_starts_as_the_color_of_the_cell(image_tokenizer, images):
    thumbnail = F.avg_pool2d(images, 4)
    first = F.avg_pool2d(image_tokenizer(images, 1), 4)
    assert (first - thumbnail).square().mean().sqrt() < 0.15  # eight levels for the brightest component
    assert (first - F.avg_pool2d(image_tokenizer(images), 4)).abs().max() < 1e-4, (
        "the other tokens hold no color"
    )


@torch.no_grad()
def test_initialisation_does_not_depend_on_the_first_random_weights(images):
    pairs = []
    for seed in range(2):
        torch.manual_seed(seed)
        network = ImageTokenizer(32, LEVELS, width=16, depth=1)
        network.init_from_pca(images)
        pairs.append(network(images))
    assert torch.equal(*pairs)


def test_codes_and_tokens_are_inverse():
    tokenizer = ImageTokenizer(16, [[4, 3, 2], [3, 3]], 8, 1)
    torch.manual_seed(0)
    given = torch.stack([torch.randint(24, (2, 64)), torch.randint(9, (2, 64))], 1)
    codes = tokenizer.codes(given)
    chosen = [
        torch.nn.functional.one_hot(given[:, codebook], size).float() for codebook, size in ((0, 24), (1, 9))
    ]
    assert torch.equal(tokenizer.soft_codes(chosen), codes)
    first = codes[:, :3].flatten(2).transpose(1, 2)
    assert torch.equal(code_values([4, 3, 2])[given[:, 0]], first)
    assert torch.equal(nearest_tokens(first, [4, 3, 2]), given[:, 0])
    assert int(nearest_tokens(torch.tensor([9.0, -9.0, 0.99]), [4, 3, 2])) == 3 * 6 + 0 + 1  # clamped
