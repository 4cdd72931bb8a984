import copyreg
import pickle

import numpy as np
import pytest

from lexipix.engines.mapped_files import arrays_cross_as_paths
from lexipix.utils.mapped_array import mapped_array


@pytest.fixture(autouse=True)
def crossing():
    before = dict(copyreg.dispatch_table)
    arrays_cross_as_paths()
    yield
    copyreg.dispatch_table.clear()
    copyreg.dispatch_table.update(before)


@pytest.fixture
def array(tmp_path):
    np.save(tmp_path / "array.npy", np.arange(60_000, dtype=np.int32).reshape(-1, 6))
    return np.load(tmp_path / "array.npy", mmap_mode="r")


@pytest.mark.parametrize("part", [slice(None), slice(1_000, 3_000), slice(9_999, None), 5_000])
def test_a_mapped_array_crosses_as_the_place_of_its_file(array, part):
    wire = pickle.dumps(array[part])
    assert len(wire) < 500
    found = pickle.loads(wire)
    np.testing.assert_array_equal(found, array[part])
    assert isinstance(found, np.memmap) and not found.flags.writeable


def test_parts_with_gaps_and_arrays_without_a_file_cross_whole(array):
    for one in (array[::2], array[:, 1], array[:0], mapped_array([np.arange(5)])):
        found = pickle.loads(pickle.dumps(one))
        np.testing.assert_array_equal(found, one)
        assert type(found) is np.ndarray
