import json
from pathlib import Path

import numpy as np
import pytest

from lexipix.engines.part_files import read_part_file, write_part_file
from lexipix.utils.errors import LexipixError


def test_arrays_and_lists_come_back(tmp_path):
    array = np.arange(6, dtype=np.float32).reshape(2, 3)
    file = write_part_file((3, array), tmp_path, np.negative)
    assert Path(file.path) == tmp_path / "00003.npy"
    np.testing.assert_array_equal(read_part_file(file), -array)
    texts = write_part_file((4, ["é", 0.1]), tmp_path, list)
    assert Path(texts.path).suffix == ".json" and read_part_file(texts) == ["é", 0.1]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["00003.npy", "00004.json"]


def test_a_finished_part_is_not_done_again(tmp_path):
    first = write_part_file((0, ["once"]), tmp_path, list)
    again = write_part_file((0, ["twice"]), tmp_path, lambda part: pytest.fail("it is done"))
    assert again == first and read_part_file(again) == ["once"]


def test_an_interruption_leaves_nothing(tmp_path):
    def broken(part):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_part_file((0, None), tmp_path, broken)
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_or_missing_file_is_one_sentence(tmp_path):
    file = write_part_file((0, [1]), tmp_path, list)
    Path(file.path).write_text(json.dumps([2]))
    with pytest.raises(LexipixError, match=r"00000\.json, .* not what the worker wrote.* disk that all"):
        read_part_file(file)
    Path(file.path).unlink()
    with pytest.raises(LexipixError, match="No such file"):
        read_part_file(file)
