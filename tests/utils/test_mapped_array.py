import errno
import tempfile
import tracemalloc

import numpy as np
import pytest

from lexipix.utils.errors import LexipixError
from lexipix.utils.mapped_array import mapped_array


def test_parts_are_joined_as_numpy_does(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    random = np.random.default_rng(0)
    parts = [random.random((n, 3, 2), np.float32)[:, ::2] for n in (4, 0, 1, 300)]
    joined = mapped_array(iter(parts))
    assert isinstance(joined, np.memmap) and not list(tmp_path.iterdir())
    expected = np.concatenate(parts)
    assert joined.dtype == expected.dtype and np.array_equal(joined, expected)
    joined[0] = 7
    assert (joined[0] == 7).all() and np.array_equal(joined[1:], expected[1:])
    np.save(tmp_path / "mapped.npy", mapped_array(parts), allow_pickle=False)
    np.save(tmp_path / "plain.npy", expected, allow_pickle=False)
    assert (tmp_path / "mapped.npy").read_bytes() == (tmp_path / "plain.npy").read_bytes()


def test_nothing_to_join():
    empty = mapped_array([np.empty((0, 5), np.uint16)])
    assert (empty.shape, empty.dtype) == ((0, 5), np.uint16)


def test_parts_are_held_one_at_a_time():
    def parts():
        for _ in range(8):
            yield np.zeros(2**20, np.uint8)

    tracemalloc.start()
    mapped_array(parts())
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 3 * 2**20


def test_a_full_disk_is_told_in_one_sentence():
    def full():
        yield np.zeros(3)
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(LexipixError, match=r"No space left on device.: free some space there, or set TMPDIR"):
        mapped_array(full())
