"""Folders as kohya's trainers want them."""

import pytest

from lexipix.datasets.sources.repeat_folders import find_repeats


def test_captions_fall_back_to_the_name_and_repeats_are_reported(tmp_path, make_picture, read_source, caplog):
    for number, name in enumerate(["img/10_big dog/a.png", "img/10_big dog/b.png", "img/2_owl/a.png"]):
        make_picture(tmp_path / name, number)
    (tmp_path / "img/10_big dog/a.caption").write_text("1dog, sitting, grass")
    with caplog.at_level("INFO"):
        images, rejects, source = read_source()
    assert {file: image.caption for file, image in images.items()} == {
        "img/10_big dog/a.png": "1dog, sitting, grass",
        "img/10_big dog/b.png": "big dog",
        "img/2_owl/a.png": "owl",
    }
    assert not rejects and source.facts["repeats"] == {"10_big dog": 10, "2_owl": 2}
    assert "each image counts once: 10 of big dog, 2 of owl." in caplog.text


@pytest.mark.parametrize("names", [["0_cat", "1_dog", "2_owl"], ["10_cat", "dog"], ["cat", "dog"]])
def test_numbers_of_classes_and_other_names_are_classes_as_before(tmp_path, make_picture, read_source, names):
    for number, name in enumerate(names):
        make_picture(tmp_path / name / "a.png", number)
    images, _, source = read_source()
    expected = {f"{name}/a.png": f"a photo of a {name.replace('_', ' ')}" for name in names}
    assert {file: image.caption for file, image in images.items()} == expected | {
        f"{name}/a.png": "a photo of an owl" for name in names if name == "owl"
    }
    assert "repeats" not in source.facts


def test_names_that_say_nothing_are_no_captions(tmp_path, make_picture, read_source):
    make_picture(tmp_path / "10_cat/a.png")
    images, _, source = read_source(source={"folder": {"label_template": None}})
    assert images["10_cat/a.png"].caption is None and "repeats" not in source.facts


def test_a_tag_list_is_one_caption(tmp_path, make_picture, read_source):
    make_picture(tmp_path / "a.png")
    (tmp_path / "a.txt").write_text("1girl, red hair,\nsmile, solo\n")
    assert read_source()[0]["a.png"].caption == "1girl, red hair, smile, solo"


def test_splits_have_the_same_folders():
    found = find_repeats(["train/10_cat/", "test/10_cat/"], {"test/": "test", "train/": "train"})
    assert found["10_cat"].name == "cat"
