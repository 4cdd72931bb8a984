from itertools import pairwise

import numpy as np
import pytest

from lexipix.evaluation.partial_tokens import settings, told_in_words
from lexipix.evaluation.tokens import by_words, round_trip


@pytest.fixture(scope="module")
def told(words, pictures, run):
    captions = pictures.test.captions["caption"].tolist()[:5]
    return told_in_words(words, np.array(pictures.test.images[:5]), captions, np.full(5, 20.0), (4,), run, 2)


def of(told, path):
    return [one for one in told if one.path == path]


def test_settings_give_the_words_of_those_before_and_more():
    found = settings(2, (8, 4, 2))
    assert list(found) == [
        "1 word of 1 cells", "1 word of 4 cells", "1 word of 16 cells",
        "1 word of all cells", "2 words of all cells",
    ]  # fmt: skip
    masks = list(found.values())
    assert [int(mask.sum()) for mask in masks] == [1, 4, 16, 64, 128]
    assert all((fewer <= more).all() for fewer, more in pairwise(masks))
    assert masks[1][0].nonzero().flatten().tolist() == [27, 31, 59, 63]


def test_without_a_word_it_is_the_text_path(told, words, pictures, run):
    (caption,) = of(told, "caption")
    captions = pictures.test.captions["caption"].tolist()[:5]
    assert caption.setting == "words" and (caption.bits == 20).all()
    assert np.array_equal(caption.images, by_words(words, captions, run, 2))


def test_with_all_words_it_is_their_round_trip_whatever_the_writer_thinks(told, words, pictures, run):
    last, alone = of(told, "words")[-1], of(told, "words_alone")[-1]
    assert np.array_equal(last.images, alone.images)
    figures = round_trip(words, pictures.test.images[:5], run, 2)
    assert alone.bits == pytest.approx([figures["bits_per_image"]] * 5)
    assert last.bits - 20 == pytest.approx(alone.bits)


def test_the_writer_changes_what_is_not_given(told):
    for written, alone in zip(of(told, "words")[:-1], of(told, "words_alone")[:-1], strict=True):
        assert written.setting == alone.setting
        assert not np.array_equal(written.images, alone.images)


def test_pictures_are_the_same_whatever_the_batches_are(told, words, pictures, run):
    captions = pictures.test.captions["caption"].tolist()[:5]
    again = told_in_words(words, np.array(pictures.test.images[:5]), captions, np.full(5, 20.0), (4,), run, 5)
    for one, other in zip(told, again, strict=True):
        assert np.abs(one.images.astype(int) - other.images).max() <= 1
