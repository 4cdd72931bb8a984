import json
from pathlib import Path

import numpy as np
import pytest

from lexipix.engines import part_files
from lexipix.engines.part_files import part_folder, read_part_file, write_part_file
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


def test_a_folder_is_removed_at_its_end_and_with_it_those_of_runs_that_were_never_continued(tmp_path):
    for left in ("interrupted", "killed"):
        with pytest.raises(KeyboardInterrupt), part_folder(tmp_path / "drawn" / left):
            write_part_file((0, [1]), tmp_path / "drawn" / left, list)
            raise KeyboardInterrupt
        (tmp_path / "drawn" / f"{left}.lock").touch()  # whoever held it is gone
        assert [path.name for path in (tmp_path / "drawn" / left).iterdir()] == ["00000.json"]
    with part_folder(tmp_path / "drawn" / "killed"):
        assert sorted(path.name for path in (tmp_path / "drawn").iterdir()) == ["killed", "killed.lock"]
        assert (tmp_path / "drawn" / "killed" / "00000.json").is_file(), "its parts are not done again"
    assert list((tmp_path / "drawn").iterdir()) == []


def test_two_processes_that_do_other_work_do_not_remove_each_others_parts(tmp_path):
    """As two `kedro generate` of one project, which no run lock keeps apart."""
    with part_folder(tmp_path / "one"):
        write_part_file((0, [1]), tmp_path / "one", list)
        with part_folder(tmp_path / "two"):
            assert (tmp_path / "one" / "00000.json").is_file()
        assert (tmp_path / "one" / "00000.json").is_file() and not (tmp_path / "two").exists()


def test_the_same_work_twice_at_once_is_refused_in_one_sentence(tmp_path, monkeypatch):
    monkeypatch.setattr(part_files, "WAIT_SECONDS", 0)
    with part_folder(tmp_path / "one"):
        write_part_file((0, [1]), tmp_path / "one", list)
        with (
            pytest.raises(
                LexipixError, match=r"Another process does the same work, .*one for its parts: wait"
            ),
            part_folder(tmp_path / "one"),
        ):
            pytest.fail("it is in use")
        assert (tmp_path / "one" / "00000.json").is_file()


def test_a_disk_without_locks_removes_nothing(tmp_path, monkeypatch, caplog):
    def unsupported(lock):
        raise OSError(37, "No locks available")

    (tmp_path / "other").mkdir()
    monkeypatch.setattr(part_files.FileLock, "acquire", unsupported)
    with part_folder(tmp_path / "one"):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["other"] and "No locks available" in caplog.text
