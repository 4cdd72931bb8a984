import itertools

import numpy as np
import pytest
import torch
from tests.support.generator_world import CPU, pair_on, world
from torch import nn

from lexipix.data.images import normalize
from lexipix.models.text_to_image import TextEncoding
from lexipix.training.generator_validation import GeneratorValidation


class Painter(nn.Module):
    """Draws the real picture of each caption, or another one's; its vectors are the encoder's."""

    def __init__(self, validation, shift=0, blur=False):
        super().__init__()
        self.validation, self.shift, self.blur = validation, shift, blur
        self.noise_dim = 2
        captions = validation.captions.primary(torch.arange(len(validation.images)))
        self.known = [row.tolist() for row in captions]

    def encode_text(self, ids):
        rows = torch.tensor([self._row(row.tolist()) for row in ids])
        vectors = self.validation.encoder(self.validation.images[rows]).embedding
        return TextEncoding(rows, rows >= 0, vectors)

    def _row(self, ids):
        return next(i for i, known in enumerate(self.known) if known[: len(ids)] == ids)

    def decode(self, reading, noise):
        assert noise.shape == (len(reading.hidden_states), 2)
        images = self.validation.images[(reading.hidden_states + self.shift) % len(self.validation.images)]
        return nn.functional.avg_pool2d(images, 5, 1, 2, count_include_pad=False) if self.blur else images


@pytest.fixture
def validation():
    """Scenes of different captions, seen by an encoder that tells them apart."""
    rows = np.unique(world().groups, return_index=True)[1]
    encoder = world().encoder()
    with torch.no_grad():  # batch statistics of the pictures themselves: vectors that differ
        encoder.train()
        for _ in range(30):
            encoder(normalize(torch.from_numpy(world().images)))
    captions = world().captions

    class BestOfResult:
        device = CPU

        def primary(self, asked):
            return captions.primary(torch.from_numpy(rows)[asked])

    return GeneratorValidation(world().images[rows], BestOfResult(), world().groups[rows], encoder)


@torch.no_grad()
def test_a_perfect_painter(validation):
    metrics = validation.metrics(Painter(validation))
    assert metrics["psnr"] == pytest.approx(100.0)  # the cap
    assert metrics["objective"] == -metrics["psnr"]
    assert metrics["alignment"] == 1.0
    assert metrics["sharpness"] == pytest.approx(1.0)


@torch.no_grad()
def test_a_painter_of_other_captions(validation):
    metrics = validation.metrics(Painter(validation, shift=1))
    assert metrics["psnr"] < 25
    assert metrics["alignment"] == 0.0
    assert metrics["sharpness"] == pytest.approx(1.0)  # sharp, though wrong


@torch.no_grad()
def test_a_blurred_painter_is_not_sharp(validation):
    metrics = validation.metrics(Painter(validation, blur=True))
    assert metrics["sharpness"] < 0.9
    assert metrics["psnr"] > 10


@torch.no_grad()
def test_the_grid_shows_pictures_above_drawings(validation):
    grid = validation.sample_grid(Painter(validation, shift=1))
    n = min(16, len(validation.images))
    pairs = [pair_on(grid, number, n, 16) for number in range(n)]
    for (_, below), (above, _) in itertools.pairwise(pairs):
        assert np.array_equal(above, below)
