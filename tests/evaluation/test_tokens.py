import numpy as np
import pytest

from lexipix.evaluation.tokens import by_words, round_trip
from lexipix.metrics.images import psnr, ssim


def test_a_caption_gets_its_own_noise_whatever_the_batches_are(words, test_captions, run):
    captions = test_captions["caption"].tolist()[:6]
    drawn = by_words(words, captions, run, 6)
    assert drawn.shape == (6, 32, 32, 3) and drawn.dtype == np.uint8
    assert np.array_equal(by_words(words, captions, run, 4)[:4], drawn[:4])
    assert not np.array_equal(by_words(words, captions[:1] * 2, run, 2)[0], drawn[1])


def test_the_way_through_words_and_back_is_measured_on_pixels(words, pictures, run):
    images = pictures.test.images[:5]
    figures = round_trip(words, images, run, 2)
    assert figures["bits_per_image"] == pytest.approx(64 * np.log2(8 * 8 * 4 * 3 * 3))
    whole = round_trip(words, images, run, 5)
    assert figures == pytest.approx(whole, rel=1e-3)
    assert 15 < figures["psnr"] < 35 and 0.3 < figures["ssim"] < 1
    mean = np.broadcast_to(images.mean((1, 2), keepdims=True).round().astype(np.uint8), images.shape)
    assert figures["psnr"] > psnr(images, mean).mean() and figures["ssim"] > ssim(images, mean).mean()
