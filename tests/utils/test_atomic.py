import errno
import os
import subprocess
import sys
import time

import psutil
import pytest

from lexipix.utils.atomic import remove_leftovers, replace_file, replace_folder
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


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (errno.ENAMETOOLONG, "the name is too long for the file system"),
        (errno.EROFS, "the file system is read-only"),
        (errno.EMFILE, r"too many files are open: raise the limit \(ulimit -n\)"),
        (errno.EIO, "the disk or its connection fails"),
        (errno.EDQUOT, "your disk quota is exceeded"),
        (errno.EISDIR, "Is a directory"),
    ],
)
def test_every_error_of_the_system_is_told_with_its_path(tmp_path, number, said):
    message = rf"a\.json could not be written, {said}"
    with pytest.raises(LexipixError, match=message), replace_file(tmp_path / "a.json") as temporary:
        raise OSError(number, os.strerror(number), str(temporary))
    message = rf"a\.json could not be written, /elsewhere/b: {said}"
    with pytest.raises(LexipixError, match=message), replace_file(tmp_path / "a.json"):
        raise OSError(number, os.strerror(number), "/elsewhere/b")


@pytest.mark.parametrize("error", [ValueError("x"), OSError("no number"), KeyError("x")])
def test_other_errors_keep_their_type(tmp_path, error):
    with pytest.raises(type(error)) as caught, replace_file(tmp_path / "a"):
        raise error
    assert caught.value is error


LIMITED = """
import resource, sys
from pathlib import Path
import numpy as np
import torch
from lexipix.cli.errors import sentence
from lexipix.datasets.checkpoints import FileCheckpoints
from lexipix.datasets.files import ImageArrayDataset
from lexipix.datasets.folders import ArrayFolderDataset
from lexipix.datasets.models import ModelFolderDataset
from lexipix.datasets.onnx_models import OnnxModelDataset
from lexipix.utils.types import ModelBundle, OnnxModel

work = sys.argv[1]
array = np.zeros(100_000, np.uint8)
saves = {
    "model": lambda path: ModelFolderDataset(filepath=path).save(
        ModelBundle({}, {"a": torch.zeros(100_000)})
    ),
    "arrays": lambda path: OnnxModelDataset(filepath=path).save(OnnxModel({}, {}, arrays={"a": array})),
    "checkpoint": lambda path: FileCheckpoints(Path(path)).save({"a": torch.zeros(100_000)}, {}),
    "images.npy": lambda path: ImageArrayDataset(filepath=path).save(array),
    "folder": lambda path: ArrayFolderDataset(filepath=path).save({"a": array}),
}
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
for name, save in saves.items():
    try:
        save(f"{work}/{name}")
    except Exception as error:
        print(sentence(error) or repr(error))
"""


def test_what_libraries_cannot_write_in_full_is_told_in_a_sentence(tmp_path):
    said = subprocess.run(
        [sys.executable, "-c", LIMITED, str(tmp_path)], capture_output=True, text=True, check=True
    ).stdout.splitlines()
    assert len(said) == 5
    for name, line in zip(("model", "arrays", "checkpoint", "images.npy", "folder"), said, strict=True):
        assert f"{name} could not be written, " in line
        assert "larger than the system lets a file be (ulimit -f): raise that limit" in line
    assert names(tmp_path) == []


def test_leftover_of_a_dead_process_is_removed_and_that_of_a_living_one_kept(tmp_path):
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    (tmp_path / f".a.{dead.pid}.part.json").write_text("half")
    (tmp_path / f".a.{dead.pid}.part.json-journal").write_text("of a database")
    (tmp_path / f".a.{os.getppid()}.part.json").write_text("being written")
    with replace_file(tmp_path / "a.json") as temporary:
        temporary.write_text("new")
    assert names(tmp_path) == [f".a.{os.getppid()}.part.json", "a.json"]


def test_leftover_of_a_process_whose_number_another_one_has_now_is_removed(tmp_path, monkeypatch):
    leftover = tmp_path / f".a.{os.getppid()}.part.json"
    leftover.write_text("half")
    later = time.time() + 60
    monkeypatch.setattr(psutil.Process, "create_time", lambda process: later)
    with replace_file(tmp_path / "a.json") as temporary:
        temporary.write_text("new")
    assert names(tmp_path) == ["a.json"]


def interrupted_between_renames(tmp_path, new):
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    for ending, text in (("old", "old"), *((("part", "new"),) if new else ())):
        folder = tmp_path / f".model.v1.{dead.pid}.{ending}.x"
        folder.mkdir()
        (folder / "weights").write_text(text)


@pytest.mark.parametrize("new", [True, False])
@pytest.mark.parametrize("how", ["the next run", "the next result"])
def test_a_folder_whose_process_was_killed_between_two_renames_comes_back(tmp_path, new, how):
    layer = tmp_path / "06_models"
    layer.mkdir()
    interrupted_between_renames(layer, new)
    if how == "the next run":
        remove_leftovers(tmp_path)
    else:
        with pytest.raises(KeyError), replace_folder(layer / "model.v1.x"):
            raise KeyError
    assert names(layer) == ["model.v1.x"]
    assert (layer / "model.v1.x" / "weights").read_text() == ("new" if new else "old")


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
