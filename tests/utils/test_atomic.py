import errno
import os
import subprocess
import sys

import pytest

from lexipix.utils.atomic import replace_file, replace_folder
from lexipix.utils.errors import LexipixError


def full_disk(*_args, **_kwargs):
    raise OSError(errno.ENOSPC, "No space left on device")


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_file_is_there_when_block_ends_well(tmp_path):
    target = tmp_path / "deep" / "a.json"
    with replace_file(target) as temporary:
        temporary.write_text("new")
        assert not target.exists()
        assert temporary.suffix == ".json"  # numpy and pillow choose a format by it
    assert target.read_text() == "new"
    assert names(target.parent) == ["a.json"]


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, SystemExit])
def test_interrupted_file_leaves_the_old_one(tmp_path, error):
    target = tmp_path / "a.json"
    target.write_text("old")
    with pytest.raises(error), replace_file(target) as temporary:
        temporary.write_text("half")
        raise error
    assert target.read_text() == "old"
    assert names(tmp_path) == ["a.json"]


def test_full_disk_is_told_and_leaves_the_old_file(tmp_path):
    target = tmp_path / "a.json"
    target.write_text("old")
    message = r"a\.json could not be written, the disk is full"
    with pytest.raises(LexipixError, match=message), replace_file(target) as temporary:
        temporary.write_text("half")
        full_disk()
    assert target.read_text() == "old"
    assert names(tmp_path) == ["a.json"]


def test_other_system_errors_keep_their_type(tmp_path):
    with pytest.raises(IsADirectoryError), replace_file(tmp_path / "a") as temporary:
        temporary.mkdir()
        temporary.write_text("x")


def test_leftover_of_a_dead_process_is_removed_and_that_of_a_living_one_kept(tmp_path):
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    (tmp_path / f".a.{dead.pid}.part.json").write_text("half")
    (tmp_path / f".a.{os.getppid()}.part.json").write_text("being written")
    with replace_file(tmp_path / "a.json") as temporary:
        temporary.write_text("new")
    assert names(tmp_path) == [f".a.{os.getppid()}.part.json", "a.json"]


def test_folder_is_replaced_as_a_whole(tmp_path):
    target = tmp_path / "model"
    target.mkdir()
    (target / "stale").write_text("old")
    with replace_folder(target) as temporary:
        (temporary / "fresh").write_text("new")
        assert names(target) == ["stale"]
    assert names(target) == ["fresh"]
    assert names(tmp_path) == ["model"]


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_interrupted_folder_leaves_the_old_one(tmp_path, error):
    target = tmp_path / "model"
    target.mkdir()
    (target / "stale").write_text("old")
    with pytest.raises(error), replace_folder(target) as temporary:
        (temporary / "fresh").write_text("half")
        raise error
    assert names(target) == ["stale"]
    assert names(tmp_path) == ["model"]


def test_folder_comes_back_when_the_last_rename_fails(tmp_path, monkeypatch):
    target = tmp_path / "model"
    target.mkdir()
    (target / "stale").write_text("old")
    real, calls = os.replace, []

    def second_fails(source, destination):
        calls.append(source)
        if len(calls) == 2:
            full_disk()
        real(source, destination)

    monkeypatch.setattr(os, "replace", second_fails)
    with pytest.raises(LexipixError, match="disk is full"), replace_folder(target) as temporary:
        (temporary / "fresh").write_text("new")
    assert names(target) == ["stale"]
    assert names(tmp_path) == ["model"]


def written_privately(path):
    os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600))


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o002, 0o664), (0o077, 0o600)])
def test_files_have_the_permissions_of_the_umask_whoever_wrote_them(tmp_path, umask, mode):
    before = os.umask(umask)
    try:
        with replace_file(tmp_path / "weights") as temporary:
            written_privately(temporary)
        with replace_folder(tmp_path / "model") as temporary:
            (temporary / "deep").mkdir()
            written_privately(temporary / "weights")
            written_privately(temporary / "deep" / "weights")
    finally:
        os.umask(before)
    files = [tmp_path / "weights", tmp_path / "model" / "weights", tmp_path / "model" / "deep" / "weights"]
    assert [file.stat().st_mode & 0o777 for file in files] == [mode] * 3
    assert names(tmp_path / "model") == ["deep", "weights"]


@pytest.mark.parametrize("number", [errno.EACCES, errno.EPERM])
def test_a_folder_that_may_not_be_written_is_told(tmp_path, number):
    with pytest.raises(LexipixError, match="permission denied"), replace_file(tmp_path / "a"):
        raise OSError(number, "no")
