import hashlib
import json

import numpy as np
import pytest
from kedro.io import DatasetError
from pandas.testing import assert_frame_equal
from tests.support.copied_images import comparable, image, items, saved, stream

from lexipix.datasets import shard_writer
from lexipix.utils.types import SPLITS, SourceImage


def files(folder):
    return {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}


def test_the_result_is_that_of_one_file_whatever_the_number_of_shards(tmp_path):
    whole = saved(tmp_path / "whole")
    expected = whole.load()
    assert expected.summary["duplicates"] > 20 and "gets its caption too" in expected.rejects.reason.str.cat()
    for rows in (9, 64, 10_000):
        store = saved(tmp_path / str(rows), shard_rows=rows)
        found = store.load()
        for split in SPLITS:
            np.testing.assert_array_equal(found[split].images, expected[split].images)
            assert_frame_equal(comparable(found[split].captions), expected[split].captions)
        for name in ("rejects.csv", "summary.json"):
            assert (store.path / name).read_bytes() == (whole.path / name).read_bytes()
        assert len(files(store.path)) == 3 + 2 * len(list(store.path.glob("*/*.npy")))


def test_the_manifest_lists_every_file_with_rows_bytes_and_digest(tmp_path):
    store = saved(tmp_path / "store", shard_rows=64)
    manifest = json.loads((store.path / "shards.json").read_text())
    assert manifest["image_shape"] == [8, 8, 3] and list(manifest["splits"]) == list(SPLITS)
    listed = set()
    for shards in manifest["splits"].values():
        for shard in shards:
            assert len(np.load(store.path / shard["images"]["name"])) == shard["rows"] <= 64
            for file in (shard["images"], shard["captions"]):
                content = (store.path / file["name"]).read_bytes()
                assert (file["bytes"], file["sha256"]) == (len(content), hashlib.sha256(content).hexdigest())
                listed.add(file["name"])
    assert listed | {"shards.json", "summary.json", "rejects.csv"} == files(store.path).keys()
    assert {"train/images-00000.npy", "train/captions-00003.parquet"} < listed


def test_shards_without_copies_are_written_once(tmp_path, monkeypatch):
    def source():
        for number in range(200):  # of 100 images, the last part holds two copies, which give captions
            yield SourceImage(f"{number}.png", image(number), None if number == 3 else f"number {number}")
        yield SourceImage("copy of 3", image(3), "three")
        yield SourceImage("copy of 150", image(150), "number 150")

    rewritten, rewrite = [], shard_writer._rewrite
    monkeypatch.setattr(
        shard_writer,
        "_rewrite",
        lambda folder, place, *more: rewritten.append(place) or rewrite(folder, place, *more),
    )
    store = saved(tmp_path / "store", source, shard_rows=20)
    split = next(name for name in SPLITS if "3.png" in store.load()[name].captions.file.tolist())
    home, last = (split, 0), [place for place in rewritten if place[1] == 10]
    assert home in rewritten and 1 <= len(last) <= 2 and len(rewritten) == 1 + len(last)
    table = store.load()[split].captions.set_index("file")
    assert (table.caption["3.png"], table.caption_source["3.png"]) == ("three", "given")
    assert not list(store.path.glob("*/*-00010.*")), "a shard of nothing but copies is gone"


def test_the_store_is_the_same_again_byte_by_byte(tmp_path):
    one, two = (files(saved(tmp_path / name, shard_rows=50).path) for name in ("one", "two"))
    assert one.keys() == two.keys() and len(one) > 20
    assert all(one[name].read_bytes() == two[name].read_bytes() for name in one)


def test_a_part_needs_no_part_before_it(tmp_path):
    serial = saved(tmp_path / "serial", shard_rows=50)
    folder = tmp_path / "parts"
    for name in (*SPLITS, shard_writer._ITEMS):
        (folder / name).mkdir(parents=True)
    for number in reversed(range(len(stream(shard_rows=50).part_sizes))):
        shard_writer.write_part(number, folder, stream(shard_rows=50))
    names = [name for name in files(serial.path) if "images-" in name]
    assert len(names) > 5 and set(names) == {name for name in files(folder) if "images-" in name}


class Captioner:
    image_size = 8

    def caption(self, images):
        return [f"mean {int(one.mean())}" for one in images]


def test_captions_of_a_captioner_give_way_to_those_of_copies(tmp_path):
    expected = saved(tmp_path / "whole", captioner=Captioner()).load()
    found = saved(tmp_path / "shards", captioner=Captioner(), shard_rows=30).load()
    assert found.summary == expected.summary
    for split in SPLITS:
        assert_frame_equal(comparable(found[split].captions), expected[split].captions)
    sources = expected.train.captions.set_index("file").caption_source
    assert sources["7.png"] == "generated" and found.summary["uncaptioned"] == 0


def test_too_many_rejects_leave_no_store(tmp_path):
    with pytest.raises(DatasetError, match=r"ingestion\.max_reject_share allows 0\.0%"):
        saved(tmp_path / "store", shard_rows=30, max_reject_share=0)
    assert list(tmp_path.iterdir()) == []


def test_an_interruption_leaves_the_store_that_was_there(tmp_path):
    before = {name: path.read_bytes() for name, path in files(saved(tmp_path / "store").path).items()}

    def broken():
        for number, item in enumerate(items()):
            if number == 100:
                raise KeyboardInterrupt
            yield item

    with pytest.raises(KeyboardInterrupt):
        saved(tmp_path / "store", broken, shard_rows=30)
    assert {name: path.read_bytes() for name, path in files(tmp_path / "store").items()} == before
    assert [path.name for path in tmp_path.iterdir()] == ["store"]
