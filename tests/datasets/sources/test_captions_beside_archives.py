"""Captions beside an archive or a table are read, or reported."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.datasets.sources.test_archives import SAVERS, captions, save_tar, save_zip

from lexipix.utils.errors import LexipixError

NAMES = [f"p{number:02}.png" for number in range(8)]


@pytest.fixture
def files(png):
    """The members of an archive in a folder."""
    return lambda folder="": {f"{folder}{name}": png(number) for number, name in enumerate(NAMES)}


def write_metadata(path, given="{}"):
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = [{"file_name": given.format(name), "text": f"star {name}"} for name in NAMES]
    if path.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
    elif path.suffix == ".csv":
        path.write_text("file_name,text\n" + "".join(f"{','.join(row.values())}\n" for row in rows))
    else:
        path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))


@pytest.mark.parametrize("suffix", SAVERS)
@pytest.mark.parametrize("name", ["metadata.csv", "captions.jsonl", "metadata.parquet"])
def test_metadata_beside_an_archive(tmp_path, files, read_source, suffix, name):
    SAVERS[suffix](tmp_path / f"images.{suffix}", files())
    write_metadata(tmp_path / name)
    images, rejects, _ = read_source()
    assert captions(images) == {name: (f"star {name}",) for name in NAMES} and not rejects


@pytest.mark.parametrize("given", ["{}", "set/{}", "images/{}"])
@pytest.mark.parametrize("place", ["", "data/"])
def test_names_with_and_without_the_folder_in_the_archive(tmp_path, files, read_source, given, place):
    save_zip(tmp_path / "data/images.zip", files("set/"))
    write_metadata(tmp_path / place / "metadata.csv", given)
    images, rejects, _ = read_source()
    assert captions(images) == {name: (f"star {name}",) for name in NAMES} and not rejects


@pytest.mark.parametrize("suffix", [".txt", ".caption", ".json"])
def test_caption_files_beside_an_archive(tmp_path, files, read_source, suffix):
    save_zip(tmp_path / "images.zip", files())
    for name in NAMES:
        text = f"star {name}"
        (tmp_path / name).with_suffix(suffix).write_text(
            json.dumps({"text": text}) if suffix == ".json" else text
        )
    images, rejects, _ = read_source()
    assert captions(images) == {name: (f"star {name}",) for name in NAMES} and not rejects


@pytest.mark.parametrize("given", ["part-0.tar/{}", "{}"])
def test_metadata_beside_shards(tmp_path, files, png, read_source, given):
    save_tar(tmp_path / "part-0.tar", files())
    save_tar(tmp_path / "part-1.tar", {"q.png": png(100), "q.txt": b"moon"})
    write_metadata(tmp_path / "metadata.jsonl", given)
    images, rejects, _ = read_source()
    expected = {f"part-0.tar/{name}": (f"star {name}",) for name in NAMES}
    assert captions(images) == {**expected, "part-1.tar/q.png": ("moon",)} and not rejects


def test_metadata_beside_and_in_an_archive_is_an_error(tmp_path, files, read_source):
    save_zip(tmp_path / "images.zip", files() | {"metadata.jsonl": b'{"file_name": "p00.png", "text": "a"}'})
    write_metadata(tmp_path / "metadata.csv")
    with pytest.raises(LexipixError, match=r"both metadata\.jsonl and metadata\.csv"):
        read_source()


def test_a_file_of_the_same_name_beside_an_archive_is_reported(tmp_path, files, read_source, caplog):
    save_zip(tmp_path / "images.zip", files() | {"p00.txt": b"inside"})
    (tmp_path / "p00.txt").write_text("beside")
    images, _, _ = read_source()
    assert images["p00.png"].caption == "inside"
    assert f"holds others of their names: {tmp_path / 'p00.txt'}." in caplog.text


def test_metadata_of_an_unknown_kind_beside_an_archive_stops(tmp_path, files, read_source):
    save_zip(tmp_path / "images.zip", files())
    (tmp_path / "metadata.json1").write_text("x")
    with pytest.raises(LexipixError, match=r"none of them can be used: metadata\.json1"):
        read_source()


def test_what_cannot_be_read_beside_an_archive_is_a_reject(tmp_path, files, read_source):
    save_zip(tmp_path / "images.zip", files())
    (tmp_path / "more").symlink_to("nowhere")
    assert read_source()[1] == {"more": "it is a link to something that does not exist"}


def save_table(path, png, **columns):
    images = pa.array([{"bytes": png(number)} for number in range(len(NAMES))])
    pq.write_table(pa.table({"image": images, **columns}), path)


@pytest.mark.parametrize("name", ["metadata.csv", "captions.jsonl", "metadata.parquet"])
def test_metadata_beside_a_table_without_captions_stops(tmp_path, png, read_source, name):
    save_table(tmp_path / "data.parquet", png)
    write_metadata(tmp_path / name)
    with pytest.raises(LexipixError, match=rf"none of them can be used: {name}\. In a folder of tables"):
        read_source()


def test_metadata_beside_a_table_with_captions_is_reported(tmp_path, png, read_source, caplog):
    save_table(tmp_path / "data.parquet", png, text=NAMES)
    write_metadata(tmp_path / "metadata.csv")
    (tmp_path / "dataset_info.json").write_text("{}")
    images, _, _ = read_source()
    assert [image.caption for image in images.values()] == NAMES
    assert "not read for captions: metadata.csv." in caplog.text
