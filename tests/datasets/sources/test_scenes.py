import numpy as np
import pytest
from tests.support.parameters import section

from lexipix import scenes
from lexipix.datasets.sources.scenes import open_scenes


def read(seed=1, image_size=32, **parameters):
    numbers = {"n_train": 300, "n_val": 5, "n_test": 7}
    return list(
        open_scenes(section("ingestion.source.scenes", numbers | parameters), image_size, seed).read()
    )


@pytest.fixture(scope="module")
def images():
    return read()


def test_counts_and_splits(images):
    counts = {split: sum(p.split == split for p in images) for split in ("train", "val", "test", "pairs")}
    assert counts == {"train": 300, "val": 5, "test": 7, "pairs": 0}
    source = open_scenes(section("ingestion.source.scenes", {"n_train": 3, "n_val": 1, "n_test": 1}), 32, 0)
    assert source.n_images == 5
    assert source.splits == {"val", "test"}
    assert len({p.file for p in images}) == len(images)


def test_captions_are_those_of_the_grammar(images):
    for picture in images[:50]:
        text = picture.caption or picture.withheld_caption
        scene = scenes.parse_caption(text)
        assert scenes.caption(scene) == text
        if picture.caption is not None:
            assert picture.paraphrases == scenes.paraphrases(scene)


def test_a_share_of_the_training_captions_is_withheld(images):
    withheld = [p for p in images if p.withheld_caption is not None]
    assert all(p.caption is None and p.paraphrases == () and p.split == "train" for p in withheld)
    assert 0.1 < len(withheld) / 300 < 0.3
    assert not any(p.caption is None for p in read(uncaptioned_share=0))


def test_same_seed_same_pictures_whatever_their_number(images):
    more = {p.file: p for p in read(n_train=600, n_test=20)}
    for picture in images:
        again = more[picture.file]
        assert (again.caption, again.withheld_caption) == (picture.caption, picture.withheld_caption)
        np.testing.assert_array_equal(again.image, picture.image)


def test_another_seed_and_another_split_give_other_pictures(images):
    other = read(seed=2)
    assert [p.caption for p in other] != [p.caption for p in images]
    by_file = {p.file: p for p in images}
    assert not np.array_equal(by_file["test/000000"].image, by_file["val/000000"].image)


def test_size_and_number_of_objects():
    images = read(image_size=16, max_objects=1)
    assert {p.image.shape for p in images} == {(16, 16, 3)}
    assert all(" and " not in (p.caption or "") for p in images)
