"""Data sets of Hugging Face: Parquet files of push_to_hub and to_parquet, Arrow files of save_to_disk."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lexipix.datasets.sources import table_files
from lexipix.datasets.sources.folder import open_folder
from lexipix.utils.errors import LexipixError
from lexipix.utils.types import SourceImage

IMAGE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])


def table_of(images, **columns):
    """A table as ``datasets`` writes it, with the features in the metadata of its schema."""
    features = {"image": {"_type": "Image"}}
    for name, values in columns.items():
        if name.endswith("label"):
            features[name] = {"_type": "ClassLabel", "names": ["owl", "fire_truck"]}
        else:
            features[name] = {"_type": "Value", "dtype": "string"}
        columns[name] = pa.array(values)
    cells = [None if content is None else {"bytes": content, "path": "0.png"} for content in images]
    table = pa.table({"image": pa.array(cells, IMAGE), **columns})
    meta = json.dumps({"info": {"features": features}}).encode()
    return table.replace_schema_metadata({b"huggingface": meta})


def save_arrow(path, table, rows=3):
    path.parent.mkdir(parents=True, exist_ok=True)
    with pa.ipc.new_stream(path, table.schema) as writer:
        writer.write_table(table, max_chunksize=rows)


def save_parquet(path, table):
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path, row_group_size=5)


SAVERS = {"parquet": save_parquet, "arrow": save_arrow}


@pytest.mark.parametrize("suffix", SAVERS)
def test_images_and_captions_come_in_the_order_of_the_rows(tmp_path, png, read_source, suffix):
    contents = [png(seed) for seed in range(40)]
    table = table_of(contents, text=[f"star {i}" if i != 3 else None for i in range(40)])
    SAVERS[suffix](tmp_path / f"set/data.{suffix}", table)
    for path in ("set", f"set/data.{suffix}"):
        images, rejects, source = read_source(path)
        assert list(images) == [f"data.{suffix}:{row}" for row in range(1, 41)] and not rejects
        assert [image.caption for image in images.values()] == [
            f"star {i}" if i != 3 else None for i in range(40)
        ]
        expected = np.random.default_rng(7).integers(0, 256, (16, 16, 3), np.uint8)
        np.testing.assert_array_equal(images[f"data.{suffix}:8"].image, expected)
        assert source.splits == frozenset()


def test_folders_of_save_to_disk_and_names_of_push_to_hub_are_splits(tmp_path, png, read_source):
    for split, seed in {"train": 1, "test": 2}.items():
        save_arrow(
            tmp_path / "disk" / split / "data-00000-of-00001.arrow", table_of([png(seed)], text=[split])
        )
        file = tmp_path / "hub/data" / f"{split}-00000-of-00001.parquet"
        save_parquet(file, table_of([png(seed)], text=[split]))
    (tmp_path / "disk/dataset_dict.json").write_text('{"splits": ["train", "test"]}')
    (tmp_path / "disk/train/state.json").write_text("{}")
    (tmp_path / "hub/README.md").write_text("---\n---\n")
    for path in ("disk", "hub"):
        images, rejects, source = read_source(path)
        assert [(image.split, image.caption) for image in images.values()] == [
            ("test", "test"), ("train", "train")
        ]  # fmt: skip
        assert source.splits == {"test"} and not rejects


def test_a_table_beside_the_splits_and_tables_of_two_data_sets_are_refused(tmp_path, png, parameters):
    for name in ("a/train.parquet", "a/test.parquet", "a/more.parquet", "b/x/0.parquet", "b/y/0.parquet"):
        save_parquet(tmp_path / name, table_of([png()], text=["star"]))
    with pytest.raises(LexipixError, match=r"has more\.parquet beside test\.parquet: name the split"):
        open_folder(tmp_path / "a", parameters())
    with pytest.raises(LexipixError, match="a table of images in x and another in y: set ingestion"):
        open_folder(tmp_path / "b", parameters())


def test_labels_are_the_names_of_their_classes(tmp_path, png, read_source):
    save_parquet(tmp_path / "a.parquet", table_of([png(i) for i in range(3)], label=[0, 1, -1]))
    images, _, _ = read_source()
    assert [(image.caption, image.label) for image in images.values()] == [
        ("a photo of an owl", "owl"), ("a photo of a fire truck", "fire_truck"), (None, None)
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["text", "caption", "prompt"])
def test_captions_in_a_column_of_a_usual_name(tmp_path, png, read_source, name):
    save_parquet(tmp_path / "a.parquet", table_of([png()], id=["7"], **{name: ["a star"]}, label=[0]))
    images, _, _ = read_source()
    assert [image.caption for image in images.values()] == ["a star"]


def test_captions_in_a_column_of_another_name_are_asked_for(tmp_path, png, read_source):
    save_parquet(tmp_path / "a.parquet", table_of([png()], en=["a star"], fine_label=[1]))
    with pytest.raises(LexipixError, match=r"a\.parquet has no field 'text' .*found: en, fine_label"):
        read_source()
    images, _, _ = read_source(source={"folder": {"caption_field": "fine_label"}})
    assert [image.caption for image in images.values()] == ["fire_truck"]


def test_several_captions_of_an_image_and_captions_from_templates(tmp_path, png, read_source):
    save_parquet(tmp_path / "a.parquet", table_of([png()], text=[["a star", "one star"]], style=["flat"]))
    images, _, _ = read_source(source={"folder": {"caption_templates": ["{caption}, {style}", "{caption}"]}})
    (image,) = images.values()
    assert (image.caption, *image.paraphrases) == (
        "a star, flat", "one star, flat", "a star", "one star"
    )  # fmt: skip


def test_images_alone_have_no_captions(tmp_path, png, read_source):
    save_parquet(tmp_path / "a.parquet", table_of([png(0), png(1)]))
    images, _, _ = read_source()
    assert [image.caption for image in images.values()] == [None, None]


@pytest.mark.parametrize("suffix", SAVERS)
def test_a_bad_image_is_a_reject(tmp_path, png, read_source, monkeypatch, suffix):
    monkeypatch.setattr("lexipix.datasets.sources.file_tree.MAX_BYTES", 5000)
    table = table_of([png(), None, b"", b"no image", bytes(5001), png(1)], text=["a"] * 6)
    SAVERS[suffix](tmp_path / f"a.{suffix}", table)
    images, rejects, _ = read_source()
    assert list(images) == [f"a.{suffix}:1", f"a.{suffix}:6"]
    no_image = "the row has no image: a table must hold the images themselves, not their paths"
    assert rejects == {
        f"a.{suffix}:2": no_image,
        f"a.{suffix}:3": no_image,
        f"a.{suffix}:4": "not an image in a known format",
        f"a.{suffix}:5": "too large: 5,001 bytes in an archive, allowed are 5,000",
    }


def test_images_can_be_bytes_and_other_tables_are_left_out(tmp_path, png, read_source, caplog):
    pq.write_table(pa.table({"img": [png()], "text": ["a star"]}), tmp_path / "a.parquet")
    pq.write_table(pa.table({"x": [1]}), tmp_path / "b.parquet")
    images, _, _ = read_source()
    assert [image.caption for image in images.values()] == ["a star"]
    assert "have no images and are not read: b.parquet" in caplog.text


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"x": [1]}, r"has no images: a\.parquet hold none"),
        ({"a": [b"1"], "b": [b"2"], "text": ["t"]}, "has several columns of images, a, b: keep one"),
    ],
)
def test_a_table_without_a_column_of_images_is_refused(tmp_path, parameters, columns, said):
    pq.write_table(pa.table(columns), tmp_path / "a.parquet")
    with pytest.raises(LexipixError, match=said):
        open_folder(tmp_path, parameters())


@pytest.mark.parametrize("suffix", SAVERS)
@pytest.mark.parametrize("damage", ["cut", "empty", "text"])
def test_a_damaged_table_is_one_sentence(tmp_path, png, read_source, suffix, damage):
    path = tmp_path / f"a.{suffix}"
    SAVERS[suffix](path, table_of([png(i) for i in range(20)], text=["a star"] * 20))
    content = path.read_bytes()
    path.write_bytes({"cut": content[: len(content) // 2], "empty": b"", "text": b"hello" * 9}[damage])
    with pytest.raises(LexipixError, match=rf"a\.{suffix} is damaged or no table \(.*\): make or download"):
        read_source()


def test_offsets_that_point_outside_of_an_arrow_file_are_found(tmp_path, png, read_source):
    table = table_of([png(i) for i in range(4)], text=["a star"] * 4)
    save_arrow(tmp_path / "a.arrow", table, rows=4)
    content = (tmp_path / "a.arrow").read_bytes()
    offsets = np.array([0, 6, 12, 18, 24], np.int32).tobytes()
    assert content.count(offsets) == 1
    hostile = content.replace(offsets, np.array([0, 6, 2**30, 18, 24], np.int32).tobytes())
    (tmp_path / "a.arrow").write_bytes(hostile)
    with pytest.raises(LexipixError, match=r"a\.arrow is damaged or no table"):
        read_source()


def test_limits_of_rows_and_of_what_a_column_unpacks_to(tmp_path, png, read_source, monkeypatch):
    save_parquet(tmp_path / "a.parquet", table_of([png()] * 3, text=["a" * 9000] * 3))
    monkeypatch.setattr(table_files, "MAX_ROWS", 2)
    with pytest.raises(LexipixError, match="has more than 2 rows"):
        read_source()
    monkeypatch.setattr(table_files, "MAX_UNPACKED", 100)
    monkeypatch.setattr(table_files, "MAX_RATIO", 0.5)
    with pytest.raises(LexipixError, match=r"a column of [\d,]+ bytes that claims to hold [\d,]+"):
        read_source()


@pytest.mark.parametrize("suffix", SAVERS)
def test_a_text_that_is_no_utf_8_is_one_sentence(tmp_path, png, read_source, suffix):
    SAVERS[suffix](
        tmp_path / f"a.{suffix}", table_of([png(i) for i in range(4)], text=["a", "b", "moon", "d"])
    )
    content = (tmp_path / f"a.{suffix}").read_bytes()
    (tmp_path / f"a.{suffix}").write_bytes(content.replace(b"moon", b"m\xff\xfen"))
    with pytest.raises(LexipixError, match=rf"a\.{suffix} is damaged or no table \(.*UTF8"):
        read_source()


def test_a_table_that_may_not_be_read_is_reported_as_such(tmp_path, png, read_source, monkeypatch):
    save_parquet(tmp_path / "a.parquet", table_of([png()], text=["a"]))

    def refused(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(pq, "ParquetFile", refused)
    with pytest.raises(
        LexipixError, match=r"a\.parquet cannot be read \(Permission denied\): check the file"
    ):
        read_source()


def test_some_rows_of_a_table_evenly_spread(tmp_path, png, read_source):
    save_parquet(
        tmp_path / "a.parquet", table_of([png(i) for i in range(30)], text=[str(i) for i in range(30)])
    )
    images, _, _ = read_source(source={"max_images": 3})
    assert [image.caption for image in images.values()] == ["0", "10", "20"]


def test_few_images_of_a_table_are_in_memory(tmp_path, png, parameters):
    save_arrow(tmp_path / "a.arrow", table_of([png(i) for i in range(600)], text=["s"] * 600))
    before = pa.total_allocated_bytes()
    items = open_folder(tmp_path, parameters()).read()
    assert sum(isinstance(item, SourceImage) for _, item in zip(range(300), items, strict=False)) == 300
    assert pa.total_allocated_bytes() - before < 600 * len(png()) / 2
    items.close()


def test_the_size_and_transparency_are_found_in_a_table(tmp_path, png, read_source):
    save_parquet(tmp_path / "a.parquet", table_of([png(i, (40, 40)) for i in range(5)], text=["s"] * 5))
    _, _, source = read_source(image_size=None)
    assert (source.facts["image_size"], source.facts["alpha"]) == (64, "flatten")
