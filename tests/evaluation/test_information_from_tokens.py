from itertools import pairwise

import numpy as np
import pytest

from lexipix.evaluation.direct_path import measure_token_round_trip
from lexipix.evaluation.information import from_tokens, token_masks
from lexipix.evaluation.text_paths import draw_captions


@pytest.fixture(scope="module")
def sample(pictures):
    captions = pictures.test.captions["caption"].tolist()[:5]
    return np.array(pictures.test.images[:5]), captions, np.full(5, 20.0)


@pytest.fixture(scope="module")
def found(tokens, sample, run):
    return from_tokens(tokens, *sample, (4,), run, 2)


def of(found, path):
    return [one for one in found if one.path == path]


def test_each_setting_includes_the_tokens_of_those_before():
    masks_by_setting = token_masks(2, (8, 4, 2))
    assert list(masks_by_setting) == [
        "1 token of 1 cells", "1 token of 4 cells", "1 token of 16 cells",
        "1 token of all cells", "2 tokens of all cells",
    ]  # fmt: skip
    masks = list(masks_by_setting.values())
    assert [int(mask.sum()) for mask in masks] == [1, 4, 16, 64, 128]
    assert all((fewer <= more).all() for fewer, more in pairwise(masks))
    assert masks[1][0].nonzero().flatten().tolist() == [27, 31, 59, 63]


def test_without_a_token_it_is_the_text_path(found, tokens, sample, run):
    (caption,) = of(found, "caption")
    assert caption.setting == "tokens" and (caption.bits == 20).all()
    assert np.array_equal(caption.images, draw_captions(tokens, sample[1], run, 2))


def test_with_all_tokens_it_is_their_round_trip(found, tokens, sample, run):
    last, alone = of(found, "tokens")[-1], of(found, "tokens_alone")[-1]
    assert np.array_equal(last.images, alone.images)
    metrics = measure_token_round_trip(tokens, sample[0], run, 2)
    assert alone.bits == pytest.approx([metrics["bits_per_image"]] * 5)
    assert last.bits - 20 == pytest.approx(alone.bits)


def test_the_token_generator_changes_what_is_not_given(found):
    for completed, alone in zip(of(found, "tokens")[:-1], of(found, "tokens_alone")[:-1], strict=True):
        assert completed.setting == alone.setting
        assert not np.array_equal(completed.images, alone.images)


def test_images_are_the_same_whatever_the_batches_are(found, tokens, sample, run):
    again = from_tokens(tokens, *sample, (4,), run, 5)
    for one, other in zip(found, again, strict=True):
        assert np.abs(one.images.astype(int) - other.images).max() <= 1
