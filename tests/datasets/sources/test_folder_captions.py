"""Captions that lie in a folder are read, or the folder is refused."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lexipix.utils.errors import LexipixError

N_IMAGES = 40


@pytest.fixture
def images(tmp_path, make_picture):
    """Writes ``p00.png`` and so on into a folder; returns their names."""

    def go(folder="", n_images=N_IMAGES, suffix=".png"):
        names = [f"p{number:02}{suffix}" for number in range(n_images)]
        for number, name in enumerate(names):
            make_picture(tmp_path / folder / name, number, format="PNG")
        return names

    return go


# Caption files of single images


@pytest.mark.parametrize("folder", ["", "cats"])
@pytest.mark.parametrize(
    ("image", "text"),
    [
        ("a.png", "a.caption"),
        ("a.png", "a.png.txt"),
        ("a.png", "a.TXT"),
        ("A.PNG", "a.txt"),
        ("a.png", "A.txt"),
        ("caf\u00e9.png", "cafe\u0301.txt"),
    ],
)
def test_a_caption_file_with_another_usual_name(tmp_path, make_picture, read, folder, image, text):
    make_picture(tmp_path / folder / image)
    (tmp_path / folder / text).write_text("a star")
    captions, rejects = read()
    assert list(captions.values()) == [("a star",)] and not rejects


def test_the_exact_name_counts_before_others(tmp_path, make_picture, read):
    make_picture(tmp_path / "a.png", 1)
    make_picture(tmp_path / "A.png", 2)
    (tmp_path / "a.txt").write_text("small")
    (tmp_path / "A.txt").write_text("large")
    assert read()[0] == {"A.png": ("large",), "a.png": ("small",)}


def test_both_kinds_of_caption_files_are_read(tmp_path, make_picture, read):
    make_picture(tmp_path / "a.png")
    (tmp_path / "a.caption").write_text("a red star")
    (tmp_path / "a.txt").write_text("star, red")
    assert read()[0] == {"a.png": ("star, red", "a red star")}


@pytest.mark.parametrize("prefix", ["", "owls/"])
@pytest.mark.parametrize(("of_images", "of_texts"), [("images", "captions"), ("img", ""), ("", "text")])
def test_caption_files_in_a_folder_of_their_own(tmp_path, images, read, prefix, of_images, of_texts):
    for name in images(f"{prefix}{of_images}", 4):
        text = (tmp_path / prefix / of_texts / name).with_suffix(".txt")
        text.parent.mkdir(parents=True, exist_ok=True)
        text.write_text(f"star {name}")
    captions, rejects = read()
    assert [text for (text,) in captions.values()] == [f"star p{number:02}.png" for number in range(4)]
    assert not rejects


def test_a_caption_file_that_fits_images_of_two_folders_is_not_guessed(tmp_path, make_picture, read):
    make_picture(tmp_path / "images/a.png", 1)
    make_picture(tmp_path / "img/a.png", 2)
    (tmp_path / "captions").mkdir()
    (tmp_path / "captions/a.txt").write_text("a star")
    assert set(read()[0].values()) == {(None,)}


def test_a_wrapped_caption_is_one_caption_and_blank_lines_separate_captions(tmp_path, make_picture, read):
    make_picture(tmp_path / "a.png")
    (tmp_path / "a.txt").write_text("a big red star\non a white\nbackground\n\n \na star\n")
    assert read()[0] == {"a.png": ("a big red star on a white background", "a star")}


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_caption_files_of_other_editors(tmp_path, make_picture, read, encoding):
    make_picture(tmp_path / "a.png")
    (tmp_path / "a.txt").write_bytes("a größer 星".encode(encoding))
    assert read()[0] == {"a.png": ("a größer 星",)}


def test_an_image_without_a_text_in_the_metadata_has_that_of_its_caption_file(tmp_path, make_picture, read):
    make_picture(tmp_path / "a.png", 1)
    make_picture(tmp_path / "b.png", 2)
    rows = [{"file_name": "a.png", "text": None}, {"file_name": "b.png", "text": "b"}]
    (tmp_path / "metadata.jsonl").write_text("\n".join(map(json.dumps, rows)))
    (tmp_path / "a.txt").write_text("a star")
    assert read()[0] == {"a.png": ("a star",), "b.png": ("b",)}


def test_caption_files_that_metadata_replaces_are_reported(tmp_path, images, read, caplog):
    names = images(n_images=3)
    write_metadata(tmp_path / "metadata.csv", names)
    (tmp_path / "p01.txt").write_text("moon")
    assert read()[0]["p01.png"] == ("star p01.png",)
    assert "1 images have captions in a metadata file: their own caption files are not read" in caplog.text


# Folder names


@pytest.mark.parametrize("folder", ["images", "IMG", "data", "pictures/png"])
def test_a_generic_folder_name_is_no_class(images, read, folder):
    images(folder, 3)
    assert set(read()[0].values()) == {(None,)}


@pytest.mark.parametrize("folder", ["owl/images", "images/owl"])
def test_a_generic_folder_name_does_not_hide_the_class(images, read, folder):
    images(folder, 3)
    assert set(read()[0].values()) == {("a photo of an owl",)}


# Names and formats of metadata files


def write_metadata(path, names):
    rows = [{"file_name": name, "text": f"star {name}"} for name in names]
    suffix = path.suffix.lower()
    if suffix == ".parquet":
        bytes_of_images = pa.array([{"bytes": b"x"}] * len(rows))
        pq.write_table(pa.Table.from_pylist(rows).append_column("image", bytes_of_images), path)
    elif suffix == ".json":
        path.write_text(json.dumps(rows, indent=2))
    elif suffix == ".jsonl":
        path.write_text("\n".join(map(json.dumps, rows)))
    else:
        sign = "\t" if suffix == ".tsv" else ","
        path.write_text("\n".join(sign.join(row) for row in (("file_name", "text"), *map(dict.values, rows))))


@pytest.mark.parametrize(
    "name", ["Metadata.JSONL", "metadata.parquet", "metadata.json", "metadata.tsv", "METADATA.CSV"]
)
def test_a_metadata_file_with_another_usual_name(tmp_path, images, read, name):
    names = images()
    write_metadata(tmp_path / name, names)
    captions, rejects = read()
    assert captions == {name: (f"star {name}",) for name in names} and not rejects


@pytest.mark.parametrize("given", ["{}", "images/{}"])
@pytest.mark.parametrize("name", ["captions.csv", "captions.jsonl", "captions.parquet"])
def test_captions_above_a_folder_of_images(tmp_path, images, read, given, name):
    names = images("images")
    write_metadata(tmp_path / name, [given.format(name) for name in names])
    captions, rejects = read()
    assert list(captions) == [f"images/{name}" for name in names] and not rejects
    assert all(text.startswith("star ") for (text,) in captions.values())


def test_metadata_counts_before_captions(tmp_path, images, read):
    names = images(n_images=3)
    write_metadata(tmp_path / "metadata.csv", names)
    (tmp_path / "captions.csv").write_text("something else")
    assert read()[0] == {name: (f"star {name}",) for name in names}


@pytest.mark.parametrize("value", ["a star", {"text": "a star"}, ["a star"]])
def test_metadata_json_can_be_an_object_by_name(tmp_path, images, read, value):
    (tmp_path / "metadata.json").write_text(json.dumps(dict.fromkeys(images(n_images=3), value)))
    assert set(read()[0].values()) == {("a star",)}


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("metadata.json", "[{", "is not valid JSON"),
        ("metadata.json", "7", "neither a list of objects nor an object"),
        ("metadata.parquet", "no Parquet", "is not a valid Parquet file"),
    ],
)
def test_a_damaged_metadata_file_is_an_error(tmp_path, images, read, name, content, said):
    images(n_images=2)
    (tmp_path / name).write_text(content)
    with pytest.raises(LexipixError, match=said):
        read()


# Nothing is used


@pytest.mark.parametrize(
    "name", ["metadata.json1", "captions.yaml", "sub/Metadata.xlsx", "captions.txt", "metadata.jsonl.gz"]
)
def test_a_metadata_file_of_an_unknown_kind_stops(tmp_path, images, read, name):
    images(n_images=3)
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text("x")
    with pytest.raises(
        LexipixError, match=rf"none of them can be used: {name}\. Captions are read from meta"
    ):
        read()


@pytest.mark.parametrize("suffix", [".txt", ".caption", ".json", ".cap"])
def test_as_many_unused_files_as_images_stop(tmp_path, images, read, suffix):
    images("cats", 12)
    for number in range(12):
        (tmp_path / f"cats/caption_of_{number:02}{suffix}").write_text("star")
    with pytest.raises(LexipixError, match=rf"cats/caption_of_00\{suffix}, .* and 9 others"):
        read()


@pytest.mark.parametrize("name", ["table.csv", "tags.json", "notes.txt", "data.parquet"])
def test_a_single_unused_file_is_reported(tmp_path, images, read, caplog, name):
    images(n_images=3)
    (tmp_path / name).write_text("x")
    assert set(read()[0].values()) == {(None,)}
    assert f"not read for captions: {name}." in caplog.text
