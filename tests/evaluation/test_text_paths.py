import numpy as np

from lexipix.evaluation.text_paths import draw_captions


def test_same_seed_same_images_whatever_the_batch(prior, run):
    captions = ["a big red star at the left on white", "a", "a small blue ring at the top on black"]
    one_by_one = draw_captions(prior, captions, run, batch_size=1)
    together = draw_captions(prior, captions, run, batch_size=8)
    assert one_by_one.shape == (3, 32, 32, 3)
    assert np.abs(one_by_one.astype(int) - together).max() <= 1  # rounding
    np.testing.assert_array_equal(together, draw_captions(prior, captions, run, batch_size=8))


def test_each_caption_gets_its_own_noise_from_the_token_generator_too(tokens, test_captions, run):
    captions = test_captions["caption"].tolist()[:6]
    drawn = draw_captions(tokens, captions, run, 6)
    assert drawn.shape == (6, 32, 32, 3) and drawn.dtype == np.uint8
    assert np.array_equal(draw_captions(tokens, captions, run, 4)[:4], drawn[:4])
    assert not np.array_equal(draw_captions(tokens, captions[:1] * 2, run, 2)[0], drawn[1])
