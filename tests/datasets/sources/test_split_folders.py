"""Folders that mean splits, wherever they lie."""

import zipfile

import pytest

from lexipix.datasets.sources.folder import open_folder
from lexipix.utils.errors import LexipixError


@pytest.fixture
def found(tmp_path, make_picture, read_source):
    """Writes an image at each path, and reads split and caption of each."""

    def go(*names, path="."):
        for number, name in enumerate(names):
            make_picture(tmp_path / name, number)
        images, rejects, source = read_source(path)
        assert not rejects
        return {file: (image.split, image.caption) for file, image in images.items()}, source.splits

    return go


@pytest.mark.parametrize("above", ["images", "set", "deep/er", "train", "test"])
@pytest.mark.parametrize(
    ("train", "val"),
    [("train", "val"), ("train2017", "val2017"), ("Train_2014", "Test-2014"), ("training_set", "test_set")],
)
def test_splits_below_other_folders(found, above, train, val):
    splits, own = found(f"{above}/{train}/a.png", f"{above}/{val}/b.png")
    other = "val" if val.startswith("val") else "test"
    assert splits == {f"{above}/{val}/b.png": (other, None), f"{above}/{train}/a.png": ("train", None)}
    assert own == {other}


def test_classes_in_splits_below_other_folders(found):
    splits, _ = found("images/train/owl/a.png", "images/test/owl/b.png")
    assert splits == {
        "images/test/owl/b.png": ("test", "a photo of an owl"),
        "images/train/owl/a.png": ("train", "a photo of an owl"),
    }


def test_splits_in_class_folders(found):
    splits, own = found("cat/train/a.png", "cat/val/b.png", "dog/train/c.png", "dog/val/d.png")
    assert splits == {
        "cat/val/b.png": ("val", "a photo of a cat"),
        "dog/val/d.png": ("val", "a photo of a dog"),
        "cat/train/a.png": ("train", "a photo of a cat"),
        "dog/train/c.png": ("train", "a photo of a dog"),
    }
    assert own == {"val"}


def test_labels_beside_the_images_are_no_part(tmp_path, found):
    for name in ("labels/train/a.txt", "labels/val/b.txt"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text("0 0.5 0.5 1 1")
    splits, own = found("images/train/a.png", "images/val/b.png")
    assert splits == {"images/val/b.png": ("val", None), "images/train/a.png": ("train", None)}
    assert own == {"val"}


@pytest.mark.parametrize(
    "names", [("test/a.png",), ("images/train/a.png",), ("set/val/a.png", "set/test/b.png")]
)
def test_names_of_splits_alone_are_no_classes(found, names):
    splits, own = found(*names)
    assert splits == dict.fromkeys(sorted(names), (None, None)) and not own


def test_a_class_may_be_called_train_below_another_folder(found):
    splits, _ = found("images/train/a.png", "images/car/b.png")
    assert set(splits.values()) == {(None, "a photo of a train"), (None, "a photo of a car")}


def test_metadata_above_splits_below_another_folder(tmp_path, found):
    (tmp_path / "metadata.csv").write_text("file_name,text\nimages/train/a.png,one\nval/b.png,two\n")
    splits, _ = found("images/train/a.png", "images/val/b.png")
    assert splits == {"images/val/b.png": ("val", "two"), "images/train/a.png": ("train", "one")}


@pytest.mark.parametrize("beside", ["more/c.png", "c.png", "images/more/c.png"])
def test_what_lies_beside_such_splits_is_an_error(found, beside):
    with pytest.raises(LexipixError, match=r"beside the splits images/test, images/train: move it into"):
        found("images/train/a.png", "images/test/b.png", beside)


@pytest.mark.parametrize("top", ["", "set/"])
def test_an_archive_has_the_splits_of_the_folder(tmp_path, png, read_source, top):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr(f"{top}images/train/a.png", png(1))
        archive.writestr(f"{top}images/val/b.png", png(2))
    images, _, source = read_source("a.zip")
    assert [(image.split, image.caption) for image in images.values()] == [("val", None), ("train", None)]
    assert source.splits == {"val"}


def test_splits_inside_of_several_archives(tmp_path, png, read_source):
    for number in range(2):
        with zipfile.ZipFile(tmp_path / f"part{number}.zip", "w") as archive:
            archive.writestr("train/a.png", png(2 * number))
            archive.writestr("test/b.png", png(2 * number + 1))
    images, _, source = read_source()
    assert [(image.split, image.caption) for image in images.values()] == [
        ("test", None), ("test", None), ("train", None), ("train", None)
    ]  # fmt: skip
    assert source.splits == {"test"}


def test_a_name_that_only_begins_like_a_split_is_a_class(tmp_path, make_picture, parameters):
    make_picture(tmp_path / "owl/a.png")
    make_picture(tmp_path / "testament/b.png", 1)
    assert open_folder(tmp_path, parameters()).splits == frozenset()
