import numpy as np
import pytest
from kedro.io import DatasetError

from lexipix.datasets.folders import ArrayFolderDataset


def test_arrays_and_plain_data_round_trip(tmp_path):
    dataset = ArrayFolderDataset(filepath=str(tmp_path / "features"))
    assert not dataset.exists()
    dataset.save({"train": np.ones((2, 3), np.float32), "words": [["a", "red"], ["circle"]]})
    loaded = dataset.load()
    assert dataset.exists()
    assert isinstance(loaded["train"], np.memmap)
    np.testing.assert_array_equal(loaded["train"], np.ones((2, 3)))
    assert loaded["words"] == [["a", "red"], ["circle"]]


def test_files_of_an_earlier_save_do_not_stay(tmp_path):
    dataset = ArrayFolderDataset(filepath=str(tmp_path / "features"))
    dataset.save({"train": np.ones(2), "pairs": np.ones(2)})
    dataset.save({"train": np.ones(2)})
    assert set(dataset.load()) == {"train"}


def test_array_of_objects_leaves_the_old_folder(tmp_path):
    dataset = ArrayFolderDataset(filepath=str(tmp_path / "features"))
    dataset.save({"train": np.ones(2)})
    with pytest.raises(DatasetError):
        dataset.save({"test": np.zeros(2), "train": np.array([object()])})
    assert set(dataset.load()) == {"train"}
    assert [path.name for path in tmp_path.iterdir()] == ["features"]
