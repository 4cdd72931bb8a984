import numpy as np

from lexipix.engines.base import row_parts
from lexipix.engines.local import LOCAL
from lexipix.evaluation.text_paths import Generators, draw_captions, text_paths
from lexipix.utils.types import SCORER, OnnxPipeline

CHAMPION = {"family": "gan", "qualities": {"balanced": "small_onnx_fp32"}}


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


def test_parts_give_the_images_of_the_whole(prior, tokens, shipped, test_captions, run, monkeypatch):
    captions = test_captions["caption"].tolist()[:7]
    champion = OnnxPipeline(CHAMPION, {"small_onnx_fp32": shipped, SCORER: shipped})
    generators = Generators(prior, prior, tokens, champion)

    def draw():
        return {path: made(captions) for path, made in text_paths(generators, run, 4, LOCAL).items()}

    whole = draw()
    monkeypatch.setattr("lexipix.evaluation.text_paths.row_parts", lambda n: row_parts(n, 3))
    for path, images in draw().items():
        assert images.shape == whole[path].shape and images.dtype == np.uint8
        assert np.abs(images.astype(int) - whole[path]).max() <= 1, path  # rounding of other batches
