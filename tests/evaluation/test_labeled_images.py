import numpy as np
import pytest
from tests.support.colored_world import CLASSES, colored_pictures

from lexipix.evaluation.labeled_images import find_classes, labeled_images
from lexipix.utils.types import ImageSplits, Split


@pytest.fixture(scope="module")
def colors():
    return colored_pictures()


def test_small_ones_and_untested_ones_do_not_count(colors):
    assert find_classes(colors, 16) == list(CLASSES)
    assert find_classes(colors, 17) == []
    untested = colors.test.captions.assign(label=["red", "blue"] * 15)
    test = Split(colors.test.images, untested)
    assert find_classes(ImageSplits(colors.train, colors.val, test, colors.judge), 2) == ["blue", "red"]


def test_one_class_is_none(colors):
    train = Split(colors.train.images, colors.train.captions.assign(label="red"))
    assert find_classes(ImageSplits(train, colors.val, colors.test, colors.judge), 2) == []


def test_images_of_other_classes_and_without_any_are_left_out(colors):
    table = colors.test.captions.copy()
    table.loc[0, "label"], table.loc[1, "label"] = None, "other"
    table.loc[2, ["caption", "withheld_caption"]] = None, "a withheld one"
    table.loc[3, "caption"] = None
    chosen = labeled_images(Split(colors.test.images, table), list(CLASSES))
    assert len(chosen) == 28
    assert chosen.captions[:3] == ["a withheld one", "", "a green picture"]
    assert chosen.labels[:3].tolist() == [2, 0, 1]
    np.testing.assert_array_equal(chosen.images[np.array([0])][0], colors.test.images[2])


def test_the_digest_is_of_images_and_classes(colors):
    whole = labeled_images(colors.test, list(CLASSES))
    assert whole.digest() == labeled_images(colors.test, list(CLASSES)).digest()
    assert whole.digest() != whole.select(np.arange(29)).digest()
    assert whole.digest() != labeled_images(colors.test, list(CLASSES[::-1])).digest()
