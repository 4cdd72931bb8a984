import numpy as np
import pytest
from tests.support.colored_world import CLASSES, colored_pictures

from lexipix.evaluation.labeled_images import classed, classes_of
from lexipix.utils.types import ImageSplits, Split


@pytest.fixture(scope="module")
def colors():
    return colored_pictures()


def test_small_ones_and_untested_ones_do_not_count(colors):
    assert classes_of(colors, 16) == list(CLASSES)
    assert classes_of(colors, 17) == []
    untested = colors.test.captions.assign(label=["red", "blue"] * 15)
    test = Split(colors.test.images, untested)
    assert classes_of(ImageSplits(colors.train, colors.val, test, colors.judge), 2) == ["blue", "red"]


def test_one_class_is_none(colors):
    train = Split(colors.train.images, colors.train.captions.assign(label="red"))
    assert classes_of(ImageSplits(train, colors.val, colors.test, colors.judge), 2) == []


def test_pictures_of_other_classes_and_without_any_are_left_out(colors):
    table = colors.test.captions.copy()
    table.loc[0, "label"], table.loc[1, "label"] = None, "other"
    table.loc[2, ["caption", "withheld_caption"]] = None, "a withheld one"
    table.loc[3, "caption"] = None
    chosen = classed(Split(colors.test.images, table), list(CLASSES))
    assert len(chosen) == 28
    assert chosen.captions[:3] == ["a withheld one", "", "a green picture"]
    assert chosen.numbers[:3].tolist() == [2, 0, 1]
    np.testing.assert_array_equal(chosen.images[np.array([0])][0], colors.test.images[2])


def test_the_digest_is_of_pictures_and_classes(colors):
    everything = classed(colors.test, list(CLASSES))
    assert everything.digest() == classed(colors.test, list(CLASSES)).digest()
    assert everything.digest() != everything.some(np.arange(29)).digest()
    assert everything.digest() != classed(colors.test, list(CLASSES[::-1])).digest()
