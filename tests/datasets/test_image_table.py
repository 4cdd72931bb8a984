import numpy as np
import pandas as pd
import pytest
from kedro.io import DatasetError

from lexipix.datasets.image_table import ImageTableDataset, image_columns


@pytest.fixture
def table():
    pixels = np.random.default_rng(0).integers(0, 256, (3, 8, 6, 3), np.uint8)
    return pd.DataFrame({"file": list("abc"), "picture": list(pixels), "truth": ["a dot", None, "a line"]})


def test_pictures_and_words_come_back(tmp_path, table):
    dataset = ImageTableDataset(filepath=str(tmp_path / "table.parquet"))
    dataset.save(table)
    loaded = dataset.load()
    assert image_columns(loaded) == ["picture"]
    for saved, found in zip(table["picture"], loaded["picture"], strict=True):
        assert np.array_equal(saved, found)
    pd.testing.assert_frame_equal(loaded.drop(columns="picture"), table.drop(columns="picture"))


def test_a_table_without_rows_comes_back(tmp_path, table):
    dataset = ImageTableDataset(filepath=str(tmp_path / "table.parquet"))
    dataset.save(table.head(0))
    assert list(dataset.load()) == ["file", "picture", "truth"]


def test_preview_holds_the_words(tmp_path, table):
    dataset = ImageTableDataset(filepath=str(tmp_path / "table.parquet"))
    dataset.save(table)
    preview = dataset.preview(nrows=2)
    assert preview["columns"] == ["file", "truth"]
    assert preview["data"] == [["a", "a dot"], ["b", None]]


def test_damage_is_reported_with_the_file(tmp_path):
    path = tmp_path / "table.parquet"
    path.write_bytes(b"no parquet")
    with pytest.raises(DatasetError, match=r"table\.parquet is damaged"):
        ImageTableDataset(filepath=str(path)).load()
