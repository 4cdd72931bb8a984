import numpy as np
import pytest
import torch
from skimage.metrics import structural_similarity
from tests.support.generator_world import world

from lexipix.training.losses.ssim import structural_dissimilarity


def test_structural_dissimilarity_is_one_minus_ssim():
    pixels = world().images[:2].astype(np.float64)
    other = np.clip(pixels + np.random.default_rng(0).normal(0, 20, pixels.shape), 0, 255)
    # scikit-image averages over the pixels whose whole window lies inside, as this does
    expected = [
        structural_similarity(a, b, channel_axis=-1, data_range=255, use_sample_covariance=False)
        for a, b in zip(pixels, other, strict=True)
    ]
    a, b = (torch.from_numpy(x).permute(0, 3, 1, 2) / 127.5 - 1 for x in (pixels, other))
    assert float(structural_dissimilarity(a, a)) == pytest.approx(0, abs=1e-5)
    # Its constants belong to positive pixel values, so a shift to [-1, 1] changes the luminance term a little
    assert float(structural_dissimilarity(a, b)) == pytest.approx(1 - np.mean(expected), abs=0.1)
