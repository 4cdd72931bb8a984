import math

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from lexipix.models.image_tokenizer import ImageTokenizer, meanings, nearest_words
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
    network.initialise(images)
    return network.eval()


def psnr(images, others):
    error = (images - others.clamp(-1, 1)).square().flatten(1).mean(1) / 4
    return float(-10 * error.log10().mean())


def test_bits_are_those_of_the_codebooks(image_tokenizer):
    assert image_tokenizer.codebooks == [96, 25, 6]
    assert image_tokenizer.bits == pytest.approx(64 * math.log2(96 * 25 * 6))


@torch.no_grad()
def test_words_say_all_that_the_decoder_is_told(image_tokenizer, images):
    words = image_tokenizer.words(images)
    assert words.shape == (16, 3, 64) and words.dtype == torch.int64
    for place, size in enumerate(image_tokenizer.codebooks):
        assert int(words[:, place].min()) >= 0 and int(words[:, place].max()) < size
    back = image_tokenizer.picture(image_tokenizer.numbers(words))
    torch.testing.assert_close(back, image_tokenizer(images), atol=1e-4, rtol=0)


def test_every_word_is_the_word_of_its_numbers(image_tokenizer):
    """Numbers on the middles of their levels are not moved, and no two words are the same numbers."""
    words = torch.stack([torch.arange(6 * 64) % size for size in image_tokenizer.codebooks])[None]
    numbers = image_tokenizer.numbers(words.unflatten(2, (6, 64)).permute(0, 2, 1, 3).flatten(0, 1))
    torch.testing.assert_close(image_tokenizer.round(numbers), numbers)
    first = numbers[:, :3].permute(0, 2, 3, 1).flatten(0, 2)[:96]
    assert len(first.unique(dim=0)) == 96


def test_rounding_passes_gradients_and_stays_within_its_range(image_tokenizer):
    numbers = torch.linspace(-1, 1, 7 * 64).view(1, 7, 8, 8).requires_grad_()
    rounded = image_tokenizer.round(numbers)
    rounded.sum().backward()
    assert torch.equal(numbers.grad, torch.ones_like(numbers))
    widths = 1 / image_tokenizer.levels
    assert ((rounded - numbers).abs() <= widths + 1e-6).all()
    assert rounded.abs().max() < 1


@torch.no_grad()
def test_an_untrained_network_already_reconstructs(image_tokenizer, images):
    found = [psnr(images, image_tokenizer(images, known)) for known in (1, 2, 3)]
    assert found == sorted(found) and found[0] > 15 and found[2] > 18


@torch.no_grad()
def test_the_first_word_starts_as_the_color_of_the_cell(image_tokenizer, images):
    thumbnail = F.avg_pool2d(images, 4)
    first = F.avg_pool2d(image_tokenizer(images, 1), 4)
    assert (first - thumbnail).square().mean().sqrt() < 0.15  # eight levels for the brightest component
    assert (first - F.avg_pool2d(image_tokenizer(images), 4)).abs().max() < 1e-4, (
        "the other words are of no color"
    )


@torch.no_grad()
def test_initialisation_does_not_depend_on_the_first_random_weights(images):
    pairs = []
    for seed in range(2):
        torch.manual_seed(seed)
        network = ImageTokenizer(32, LEVELS, width=16, depth=1)
        network.initialise(images)
        pairs.append(network(images))
    assert torch.equal(*pairs)


def test_sides_that_are_no_multiple_of_eight_are_refused():
    with pytest.raises(ValueError, match="multiple of 8, not 20"):
        ImageTokenizer(20, LEVELS, 8, 1)


def test_words_mean_what_their_numbers_are():
    words = ImageTokenizer(16, [[4, 3, 2], [3, 3]], 8, 1)
    torch.manual_seed(0)
    given = torch.stack([torch.randint(24, (2, 64)), torch.randint(9, (2, 64))], 1)
    numbers = words.numbers(given)
    chosen = [torch.nn.functional.one_hot(given[:, place], size).float() for place, size in ((0, 24), (1, 9))]
    assert torch.equal(words.numbers_of(chosen), numbers)
    first = numbers[:, :3].flatten(2).transpose(1, 2)
    assert torch.equal(meanings([4, 3, 2])[given[:, 0]], first)
    assert torch.equal(nearest_words(first, [4, 3, 2]), given[:, 0])
    assert int(nearest_words(torch.tensor([9.0, -9.0, 0.99]), [4, 3, 2])) == 3 * 6 + 0 + 1  # clamped
