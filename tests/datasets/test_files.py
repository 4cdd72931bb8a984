import json
import logging

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kedro.io import DatasetError

from lexipix.datasets.files import ImageArrayDataset, JsonDataset, PngDataset, TextDataset, plain
from lexipix.datasets.tables import CsvDataset, ParquetDataset
from lexipix.utils.errors import LexipixError


def test_missing_file_names_the_command_that_makes_it(tmp_path):
    dataset = JsonDataset(filepath=str(tmp_path / "a.json"), made_by="kedro run --pipelines evaluation")
    assert not dataset.exists()
    with pytest.raises(DatasetError) as caught:
        dataset.load()
    assert isinstance(caught.value.__cause__, LexipixError)
    assert "a.json: run `kedro run --pipelines evaluation` first." in str(caught.value)


def test_json_round_trip_with_numpy_and_umlauts(tmp_path):
    dataset = JsonDataset(filepath=str(tmp_path / "a.json"))
    dataset.save({"psnr": np.float32(0.5), "n": np.int64(3), "words": ["grün", "星"], "size": (2, 2)})
    assert dataset.exists()
    assert dataset.load() == {"psnr": 0.5, "n": 3, "words": ["grün", "星"], "size": [2, 2]}
    assert "grün" in (tmp_path / "a.json").read_text(encoding="utf-8")
    assert json.loads(dataset.preview()) == dataset.load()


def test_nan_becomes_null_with_a_warning(tmp_path, caplog):
    dataset = JsonDataset(filepath=str(tmp_path / "a.json"))
    with caplog.at_level(logging.WARNING):
        dataset.save({"text": {"gan": {"kid": float("nan"), "ssim": np.inf}}})
    assert dataset.load() == {"text": {"gan": {"kid": None, "ssim": None}}}
    assert "text.gan.kid is nan" in caplog.text


@settings(max_examples=40)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
        max_leaves=10,
    )
)
def test_plain_data_can_be_written_as_strict_json(data):
    assert json.loads(json.dumps(plain(data), allow_nan=False)) == plain(data)


def test_damaged_json_is_reported(tmp_path):
    (tmp_path / "a.json").write_text('{"half": ')
    with pytest.raises(DatasetError, match=r"a\.json is damaged"):
        JsonDataset(filepath=str(tmp_path / "a.json")).load()


@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [
        (JsonDataset, {"a": 1}, {"a": object()}),
        (TextDataset, "text", 1),
        (ParquetDataset, pd.DataFrame({"a": [1]}), pd.DataFrame({"a": [{1}, "b"]})),
        (PngDataset, np.zeros((2, 2, 3), np.uint8), np.zeros((0, 0, 3), np.uint8)),
    ],
)
def test_a_failed_save_keeps_the_old_file(tmp_path, kind, good, bad):
    dataset = kind(filepath=str(tmp_path / "a.png"))
    dataset.save(good)
    before = (tmp_path / "a.png").read_bytes()
    with pytest.raises(DatasetError):
        dataset.save(bad)
    assert (tmp_path / "a.png").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]


@pytest.mark.parametrize(("kind", "name"), [(CsvDataset, "a.csv"), (ParquetDataset, "a.parquet")])
def test_table_round_trip(tmp_path, kind, name):
    table = pd.DataFrame({"file": ["a.png", "b.png"], "loss": [0.5, 0.25]})
    dataset = kind(filepath=str(tmp_path / name))
    dataset.save(table)
    pd.testing.assert_frame_equal(dataset.load(), table)
    assert dataset.preview()["columns"] == ["file", "loss"]


@pytest.mark.parametrize(("kind", "name"), [(CsvDataset, "a.csv"), (ParquetDataset, "a.parquet")])
def test_damaged_table_is_reported(tmp_path, kind, name):
    (tmp_path / name).write_bytes(b"")
    with pytest.raises(DatasetError, match=r"is damaged .*: delete it and run"):
        kind(filepath=str(tmp_path / name)).load()


def test_array_comes_back_memory_mapped_and_read_only(tmp_path):
    dataset = ImageArrayDataset(filepath=str(tmp_path / "a.npy"))
    dataset.save(np.arange(6).reshape(2, 3))
    array = dataset.load()
    assert isinstance(array, np.memmap)
    assert not array.flags.writeable
    np.testing.assert_array_equal(array, [[0, 1, 2], [3, 4, 5]])


def test_pickled_objects_are_neither_written_nor_read(tmp_path):
    objects = np.array([{"a": 1}], dtype=object)
    dataset = ImageArrayDataset(filepath=str(tmp_path / "a.npy"))
    with pytest.raises(DatasetError):
        dataset.save(objects)
    np.save(tmp_path / "a.npy", objects, allow_pickle=True)
    with pytest.raises(DatasetError):
        dataset.load()


def test_a_truncated_array_is_reported(tmp_path):
    dataset = ImageArrayDataset(filepath=str(tmp_path / "a.npy"))
    dataset.save(np.zeros(1000))
    (tmp_path / "a.npy").write_bytes((tmp_path / "a.npy").read_bytes()[:500])
    with pytest.raises(DatasetError, match=r"a\.npy is damaged"):
        dataset.load()


def test_image_round_trip(tmp_path):
    image = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    dataset = PngDataset(filepath=str(tmp_path / "a.png"))
    dataset.save(image)
    np.testing.assert_array_equal(dataset.load(), image)
    assert dataset.preview().startswith("iVBOR")


@pytest.mark.parametrize("image", [np.zeros((5, 7, 3)), np.zeros((5, 7), np.uint8)])
def test_other_arrays_are_refused_as_images(tmp_path, image):
    with pytest.raises(DatasetError, match=r"uint8 \(H, W, 3\)"):
        PngDataset(filepath=str(tmp_path / "a.png")).save(image)


@pytest.mark.parametrize("n_bytes", [0, 20, 60])
def test_a_damaged_image_is_reported(tmp_path, n_bytes):
    dataset = PngDataset(filepath=str(tmp_path / "a.png"))
    dataset.save(np.random.default_rng(0).integers(0, 256, (9, 9, 3), dtype=np.uint8))
    (tmp_path / "a.png").write_bytes((tmp_path / "a.png").read_bytes()[:n_bytes])
    with pytest.raises(DatasetError, match=r"a\.png is damaged \(.*delete it and run"):
        dataset.load()


def test_text_round_trip(tmp_path):
    dataset = TextDataset(filepath=str(tmp_path / "report.html"))
    dataset.save("<p>星</p>")
    assert dataset.load() == "<p>星</p>"
