import json
import os

import numpy as np
import pytest
from PIL import Image
from tests.support.parameters import section

from lexipix.datasets.sources.folder import open_folder
from lexipix.utils.errors import LexipixError
from lexipix.utils.types import Reject, SourceImage


@pytest.fixture
def read(tmp_path, parameters):
    """Reads the folder at ``tmp_path``: pictures by file, rejects by file."""

    def go(**change):
        items = list(open_folder(tmp_path, parameters(**change)).read())
        images = {item.file: item for item in items if isinstance(item, SourceImage)}
        rejects = {item.file: item.reason for item in items if isinstance(item, Reject)}
        assert len(images) + len(rejects) == len(items)
        return images, rejects

    return go


def write_lines(path, *rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")


# Layouts


def test_metadata_jsonl(tmp_path, make_picture, read):
    make_picture(tmp_path / "a.png", 1)
    make_picture(tmp_path / "deep/er/b.webp", 2)
    make_picture(tmp_path / "c.png", 3)
    write_lines(
        tmp_path / "metadata.jsonl",
        {"file_name": "deep/er/b.webp", "text": "ein schöner Hügel 山"},
        {"file_name": "a.png", "text": ["first", "second"], "label": "x"},
        {"file_name": "c.png", "text": None},
    )
    images, rejects = read()
    assert list(images) == ["deep/er/b.webp", "a.png", "c.png"] and not rejects
    assert images["deep/er/b.webp"].caption == "ein schöner Hügel 山"
    assert (images["a.png"].caption, images["a.png"].paraphrases) == ("first", ("second",))
    assert images["a.png"].label == "x"
    assert images["c.png"].caption is None
    assert all(picture.split is None for picture in images.values())
    assert images["a.png"].image.shape == (16, 16, 3)


def test_metadata_csv_with_byte_order_mark(tmp_path, make_picture, read):
    make_picture(tmp_path / "a.png")
    make_picture(tmp_path / "b.png", 1)
    text = 'file_name,text\r\na.png,"a red, round thing"\r\nb.png,\r\n'
    (tmp_path / "metadata.csv").write_bytes(b"\xef\xbb\xbf" + text.encode())
    images, rejects = read()
    assert images["a.png"].caption == "a red, round thing" and images["b.png"].caption is None
    assert not rejects


def test_other_caption_field(tmp_path, make_picture, read):
    make_picture(tmp_path / "a.png")
    write_lines(tmp_path / "metadata.jsonl", {"file_name": "a.png", "text": "no", "text_zh": "是"})
    images, _ = read(source={"folder": {"caption_field": "text_zh"}})
    assert images["a.png"].caption == "是"


def test_captions_of_several_fields(tmp_path, make_picture, read, caplog):
    for number, name in enumerate("abc"):
        make_picture(tmp_path / f"{name}.png", number)
    write_lines(
        tmp_path / "metadata.jsonl",
        {"file_name": "a.png", "text": "sun", "text_zh": "太阳", "style": "flat"},
        {"file_name": "b.png", "text": "moon"},
        {"file_name": "c.png", "style": "flat"},
    )
    templates = ["{caption}, {style}", "{text_zh}", "{caption}", "{group}"]
    with caplog.at_level("INFO"):
        images, rejects = read(source={"folder": {"caption_templates": templates}})
    assert images["a.png"].caption == "sun, flat" and images["a.png"].paraphrases == ("太阳", "sun")
    assert (images["b.png"].caption, images["b.png"].paraphrases) == ("moon", ())
    assert images["c.png"].caption is None and not rejects
    assert "the template '{group}' is not used, metadata.jsonl has no field group" in caplog.text


def test_templates_that_no_row_can_fill(tmp_path, make_picture, read):
    make_picture(tmp_path / "a.png")
    write_lines(tmp_path / "metadata.jsonl", {"file_name": "a.png", "text": "sun"})
    with pytest.raises(LexipixError) as error:
        read(source={"folder": {"caption_templates": ["{style}", "{caption}, {style}"]}})
    assert (
        "ingestion.source.folder.caption_templates (the first needs style) (found: file_name, text)"
        in str(error.value)
    )


def test_pictures_that_metadata_does_not_name_have_no_caption(tmp_path, make_picture, read):
    make_picture(tmp_path / "a.png")
    make_picture(tmp_path / "birds/b.png", 1)
    write_lines(tmp_path / "metadata.jsonl", {"file_name": "a.png", "text": "a"})
    images, rejects = read(source={"folder": {"min_named_share": 0}})
    assert images["birds/b.png"].caption is None and images["birds/b.png"].label is None and not rejects


def test_text_files_beside_pictures(tmp_path, make_picture, read):
    make_picture(tmp_path / "a.png")
    make_picture(tmp_path / "sub/b.JPG", 1)
    make_picture(tmp_path / "sub/c.png", 2)
    (tmp_path / "a.txt").write_text("\n a big house \n\nthe same house\n", encoding="utf-8")
    (tmp_path / "sub/b.txt").write_bytes(b"\xef\xbb\xbf" + "дом".encode())
    images, rejects = read()
    assert images["a.png"].caption.strip() == "a big house"
    assert images["a.png"].paraphrases == ("the same house",)
    assert images["sub/b.JPG"].caption == "дом"
    assert images["sub/c.png"].caption is None, "one of several with caption files is no class"
    assert not rejects


def test_class_folders(tmp_path, make_picture, read):
    make_picture(tmp_path / "fire_truck/1.png", 1)
    make_picture(tmp_path / "owl/1.png", 2)
    make_picture(tmp_path / "loose.png", 3)
    images, _ = read()
    assert {p.caption for p in images.values()} == {"a photo of a fire truck", "a photo of an owl", None}
    assert images["owl/1.png"].label == "owl" and images["loose.png"].label is None
    images, _ = read(source={"folder": {"label_template": "{label}!"}})
    assert images["owl/1.png"].caption == "owl!"
    images, _ = read(source={"folder": {"label_template": None}})
    assert images["owl/1.png"].caption is None and images["owl/1.png"].label is None


def test_labels_in_metadata(tmp_path, make_picture, read):
    make_picture(tmp_path / "a.png")
    write_lines(tmp_path / "metadata.jsonl", {"file_name": "a.png", "label": "owl"})
    images, _ = read()
    assert images["a.png"].caption == "a photo of an owl"


def test_pictures_alone(tmp_path, make_picture, read):
    for number in range(40):
        make_picture(tmp_path / f"{number:02}.png", number)
    images, rejects = read()
    assert list(images) == [f"{number:02}.png" for number in range(40)] and not rejects
    expected = np.random.default_rng(7).integers(0, 256, (16, 16, 3), np.uint8)
    np.testing.assert_array_equal(images["07.png"].image, expected)


def test_hidden_and_unrelated_files_are_left_alone(tmp_path, make_picture, read):
    make_picture(tmp_path / "a.png")
    make_picture(tmp_path / ".thumbnails/a.png")
    make_picture(tmp_path / "__MACOSX/a.png")
    for name in (".DS_Store", "README.md", "LICENSE.txt", "notes.txt"):
        (tmp_path / name).write_text("x")
    images, rejects = read()
    assert list(images) == ["a.png"] and not rejects


# Splits of the source


@pytest.mark.parametrize("other", ["test", "Validation"])
def test_split_folders(tmp_path, make_picture, parameters, read, other):
    make_picture(tmp_path / "train/owl/1.png", 1)
    make_picture(tmp_path / f"{other}/owl/1.png", 2)
    (tmp_path / "notes").mkdir()
    images, rejects = read()
    split = {"test": "test", "Validation": "val"}[other]
    assert list(images) == [f"{other}/owl/1.png", "train/owl/1.png"], "the source's own splits come first"
    assert [p.split for p in images.values()] == [split, "train"] and not rejects
    assert images["train/owl/1.png"].label == "owl"
    assert open_folder(tmp_path, parameters()).splits == {split}


def test_metadata_in_each_split_folder(tmp_path, make_picture, read):
    for split in ("train", "test"):
        make_picture(tmp_path / split / "a.png", len(split))
        write_lines(tmp_path / split / "metadata.jsonl", {"file_name": "a.png", "text": split})
    images, _ = read()
    assert {file: (p.caption, p.split) for file, p in images.items()} == {
        "test/a.png": ("test", "test"),
        "train/a.png": ("train", "train"),
    }


def test_metadata_that_names_a_picture_of_another_split(tmp_path, make_picture, read):
    make_picture(tmp_path / "train/a.png", 1)
    make_picture(tmp_path / "test/b.png", 2)
    write_lines(tmp_path / "train/metadata.jsonl", {"file_name": "../test/b.png", "text": "b"})
    images, rejects = read(source={"folder": {"min_named_share": 0}})
    assert {file: (p.caption, p.split) for file, p in images.items()} == {
        "test/b.png": (None, "test"),
        "train/a.png": (None, "train"),
    }
    assert rejects == {"../test/b.png": "train/metadata.jsonl line 1 names it, but it is in another split"}


def test_metadata_above_split_folders(tmp_path, make_picture, read):
    make_picture(tmp_path / "train/a.png", 1)
    make_picture(tmp_path / "test/b.png", 2)
    write_lines(
        tmp_path / "metadata.jsonl",
        {"file_name": "train/a.png", "text": "one"},
        {"file_name": "test/b.png", "text": "two"},
        {"file_name": "c.png", "text": "three"},
        {"file_name": 7},
    )
    images, rejects = read()
    assert {file: (p.caption, p.split) for file, p in images.items()} == {
        "test/b.png": ("two", "test"),
        "train/a.png": ("one", "train"),
    }
    assert set(rejects) == {"c.png", "metadata.jsonl:4"}


def test_a_training_folder_alone_is_no_split(tmp_path, make_picture, parameters, read):
    make_picture(tmp_path / "train/owl/1.png")
    images, _ = read()
    assert images["train/owl/1.png"].split is None and images["train/owl/1.png"].label == "owl"
    assert open_folder(tmp_path, parameters()).splits == frozenset()


def test_a_class_may_be_called_train(tmp_path, make_picture, read):
    make_picture(tmp_path / "train/1.png", 1)
    make_picture(tmp_path / "car/1.png", 2)
    images, _ = read()
    assert {p.label for p in images.values()} == {"train", "car"}


def test_something_beside_the_splits_is_an_error(tmp_path, make_picture, read):
    make_picture(tmp_path / "train/1.png", 1)
    make_picture(tmp_path / "test/1.png", 2)
    make_picture(tmp_path / "more/1.png", 3)
    with pytest.raises(LexipixError, match="has more beside the splits test, train"):
        read()


# What is wrong


@pytest.mark.parametrize(
    ("kind", "path", "said"),
    [
        ("folder", None, "ingestion.source.path is not set, but the source 'folder' needs it"),
        ("cifar10", None, "ingestion.source.path is not set, but the source 'cifar10' needs it"),
        ("folder", "nowhere", "ingestion.source.path is .*nowhere, which does not exist"),
        ("folder", "file.png", "ingestion.source.path is .*file.png, which is a file"),
        ("folder", "empty", "ingestion.source.path is .*empty, which has no images"),
    ],
)
def test_path_that_is_no_folder_of_pictures(tmp_path, parameters, kind, path, said):
    from lexipix.datasets.sources.sources import SourcesDataset

    (tmp_path / "file.png").touch()
    (tmp_path / "empty/inside").mkdir(parents=True)
    sources = SourcesDataset(path=str(tmp_path)).load()
    with pytest.raises(LexipixError, match=said):
        sources(parameters(kind, source={"path": path}), seed=0)


def test_unusable_files_become_rejects(tmp_path, make_picture, read):
    make_picture(tmp_path / "good.png", 1)
    content = make_picture(tmp_path / "cut.png", 2, size=(64, 64)).read_bytes()
    (tmp_path / "cut.png").write_bytes(content[: len(content) // 2])
    (tmp_path / "empty.png").touch()
    (tmp_path / "text.png").write_text("hello")
    make_picture(tmp_path / "tiny.png", size=(3, 9))
    (tmp_path / "drawing.svg").write_text("<svg/>")
    os.mkfifo(tmp_path / "pipe.png")
    images, rejects = read()
    assert list(images) == ["good.png"]
    assert set(rejects) == {"cut.png", "empty.png", "text.png", "tiny.png", "drawing.svg", "pipe.png"}
    assert rejects["pipe.png"] == "it is no file: a device, pipe or socket"
    assert rejects["empty.png"] == "empty file"
    assert "too small: 3x9" in rejects["tiny.png"]
    assert ".svg files are not supported" in rejects["drawing.svg"]


def test_metadata_that_names_missing_files_and_files_outside(tmp_path, make_picture, read):
    make_picture(tmp_path / "a.png")
    (tmp_path / "folder.png").mkdir()
    write_lines(
        tmp_path / "metadata.jsonl",
        {"file_name": "a.png", "text": "first"},
        {"file_name": "gone.png", "text": "gone"},
        {"file_name": "folder.png", "text": "folder"},
        {"file_name": "../../etc/passwd", "text": "out"},
        {"file_name": "/etc/passwd", "text": "out"},
    )
    images, _ = read()
    assert {file: p.caption for file, p in images.items()} == {"a.png": "first"}

    items = open_folder(tmp_path, section("ingestion", {"image_size": 16})).read()
    rejects = [(item.file, item.reason) for item in items if isinstance(item, Reject)]
    assert rejects == [
        ("gone.png", "the file does not exist, but metadata.jsonl line 2 names it"),
        ("folder.png", "the file does not exist, but metadata.jsonl line 3 names it"),
        ("../../etc/passwd", "metadata.jsonl line 4 names it, but it is outside of the folder"),
        ("/etc/passwd", "metadata.jsonl line 5 names it, but it is outside of the folder"),
    ]


def test_metadata_that_names_a_pipe_or_a_device(tmp_path, make_picture, parameters):
    make_picture(tmp_path / "a.png")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "zero").symlink_to("/dev/zero")
    rows = ({"file_name": name, "text": "star"} for name in ("a.png", "pipe", "zero"))
    write_lines(tmp_path / "metadata.jsonl", *rows)
    items = list(open_folder(tmp_path, parameters(image_size=None)).read())
    assert [item.file for item in items if isinstance(item, SourceImage)] == ["a.png"]
    assert [(item.file, item.reason) for item in items if isinstance(item, Reject)] == [
        (name, "it is no file: a device, pipe or socket") for name in ("pipe", "zero")
    ]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b'{"file_name": "b.png", "text": "\xff\xfe"}', "the line is not valid UTF-8"),
        (b'{"file_name": "b.png", "text": ', "the line is not valid JSON"),
        (b"[" * 5000, "the line is not valid JSON"),
        (b"x" * 2**20, "the line is not valid JSON"),
        (b'["b.png", "text"]', "the line is not a JSON object"),
        (b'{"text": "x"}', "the row has no file name in the field file_name"),
        (b'{"file_name": "b.png", "text": 7}', "the caption of 'b.png' in the field 'text' is not a text"),
        (b'{"file_name": "b.png", "text": ["x", null]}', "is not a text"),
    ],
)
def test_bad_line_in_metadata_jsonl(tmp_path, make_picture, read, line, reason):
    make_picture(tmp_path / "a.png")
    lines = [b'{"file_name": "a.png", "text": "a"}', b"", line]
    (tmp_path / "metadata.jsonl").write_bytes(b"\n".join(lines))
    images, rejects = read()
    assert images["a.png"].caption == "a"
    assert list(rejects) == ["metadata.jsonl:3"] and reason in rejects["metadata.jsonl:3"]


def test_bad_rows_in_metadata_csv(tmp_path, make_picture, read):
    make_picture(tmp_path / "a.png")
    (tmp_path / "metadata.csv").write_bytes(b"file_name,text\na.png,a\nb.png,\xff\nc.png,x,y\n,z\n")
    images, rejects = read()
    assert list(images) == ["a.png"]
    assert rejects == {
        "metadata.csv:3": "the row is not valid UTF-8",
        "metadata.csv:4": "the row has more fields than the header",
        "metadata.csv:5": "the row has no file name in the field file_name",
    }


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("metadata.jsonl", '{"image": "a.png", "text": "x"}', "no field file_name .found: image, text."),
        ("metadata.jsonl", '{"file_name": "a.png", "caption": "x"}', "set ingestion.source.folder.caption"),
        ("metadata.jsonl", "{}\n" + "x" * (2**20 + 1), r"1,048,580 bytes\) has a line 2 of more than 1,048,"),
        ("metadata.csv", "file_name,text\n" + "x," * 2**20, r"2,097,167 bytes\) has a line 2 of more"),
        ("metadata.csv", "file_name,caption\na.png,x", "no field 'text' .found: file_name, caption."),
        ("metadata.csv", 'file_name,text\na.png,"' + "x" * 200_000, "not valid CSV at line"),
    ],
)  # fmt: skip
def test_metadata_of_another_kind_is_an_error(tmp_path, make_picture, read, name, content, said):
    make_picture(tmp_path / "a.png")
    (tmp_path / name).write_text(content)
    with pytest.raises(LexipixError, match=said):
        read()


def test_two_kinds_of_metadata_are_an_error(tmp_path, make_picture, read):
    make_picture(tmp_path / "a.png")
    write_lines(tmp_path / "metadata.jsonl", {"file_name": "a.png", "text": "a"})
    (tmp_path / "metadata.csv").write_text("file_name,text\na.png,a\n")
    with pytest.raises(LexipixError, match=r"both metadata\.jsonl and metadata.csv"):
        read()


def test_bad_caption_files(tmp_path, make_picture, read):
    for number, name in enumerate(("good", "bad", "long")):
        make_picture(tmp_path / f"{name}.png", number)
    (tmp_path / "good.txt").write_text("good")
    (tmp_path / "bad.txt").write_bytes(b"caf\xe9")
    (tmp_path / "long.txt").write_bytes(b"x" * (2**20 + 1))
    (tmp_path / "orphan.txt").write_text("where is my picture")
    (tmp_path / "readme.txt").write_text("how these were made")
    images, rejects = read()
    assert {file: p.caption for file, p in images.items()} == {"good.png": "good"}
    assert rejects == {
        "bad.png": "its caption file bad.txt is not valid UTF-8",
        "long.png": "its caption file long.txt has 1,048,577 bytes, allowed are 1,048,576",
        "orphan.txt": "a caption file without an image beside it",
    }


# A part for a quick run


def test_max_pictures_is_spread_over_the_classes(tmp_path, make_picture, parameters, read):
    for number in range(30):
        make_picture(tmp_path / f"train/{'abc'[number // 10]}/{number}.png", number)
        make_picture(tmp_path / f"test/x/{number}.png", 100 + number)
    images, _ = read(source={"max_images": 6})
    train = [p for p in images.values() if p.split == "train"]
    assert [p.label for p in train] == ["a", "a", "b", "b", "c", "c"] and len(images) == 12
    assert open_folder(tmp_path, parameters(source={"max_images": 6})).n_images == 12
    images, _ = read(source={"max_images": 1000})
    assert len(images) == 60


def test_closing_ends_the_threads(tmp_path, make_picture, parameters):
    import threading

    for number in range(200):
        Image.new("RGB", (16, 16), (number, 0, 0)).save(tmp_path / f"{number}.png")
    before = threading.active_count()
    items = open_folder(tmp_path, parameters()).read()
    next(items)
    items.close()
    assert threading.active_count() == before
