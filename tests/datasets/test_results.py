import json
import os
import subprocess
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from kedro.io import DatasetError

from lexipix.datasets.results import ResultsArchiveDataset, ResultsFolderDataset
from lexipix.utils.errors import LexipixError


def image(seed):
    return np.random.default_rng(seed).integers(0, 256, (8, 8, 3), np.uint8)


def results(n):
    rows = [{"file": f"{i:04d}.png", "prompt": "ü", "score": 0.5} for i in range(n)]
    return {
        **{row["file"]: image(i) for i, row in enumerate(rows)},
        "generated.jsonl": rows,
        "trail.json": {"n": n},
    }


@pytest.fixture
def folder(tmp_path):
    return ResultsFolderDataset(filepath=str(tmp_path / "out"))


def test_what_is_saved_is_loaded(folder):
    folder.save(results(2))
    loaded = folder.load()
    assert set(loaded) == {"0000.png", "0001.png", "generated.jsonl", "trail.json"}
    assert np.array_equal(loaded["0001.png"], image(1))
    assert loaded["generated.jsonl"] == results(2)["generated.jsonl"] and loaded["trail.json"] == {"n": 2}
    lines = (folder.path / "generated.jsonl").read_text(encoding="utf-8").splitlines()
    assert json.loads(lines[0])["prompt"] == "ü" and "ü" in lines[0]


def test_an_archive_holds_what_the_folder_holds(folder, tmp_path):
    archive = ResultsArchiveDataset(filepath=str(tmp_path / "out.tar"))
    some = {**results(3), "trail.json": {"long": "x" * 2**21}}
    folder.save(some)
    archive.save((name, content) for name, content in some.items())
    subprocess.run(["tar", "xf", archive.path, "--one-top-level=unpacked"], cwd=tmp_path, check=True)
    for file in folder.path.iterdir():
        assert file.read_bytes() == (tmp_path / "unpacked" / file.name).read_bytes()
    assert set(archive.load()) == set(some) and np.array_equal(archive.load()["0002.png"], image(2))
    before = archive.path.read_bytes()
    archive.save(some)
    assert archive.path.read_bytes() == before, "no date, no owner"
    with pytest.raises(DatasetError):
        archive.save({**results(1), "trail.json": {"bad": float}})
    assert archive.path.read_bytes() == before
    assert sorted(file.name for file in tmp_path.iterdir()) == ["out", "out.tar", "unpacked"]


def test_a_folder_in_place_of_the_archive(tmp_path):
    (tmp_path / "out.tar").mkdir()
    with pytest.raises(DatasetError) as caught:
        ResultsArchiveDataset(filepath=str(tmp_path / "out.tar")).save(results(1))
    assert "is a folder: choose a new file name" in str(caught.value.__cause__)


def test_same_results_are_the_same_bytes(folder, tmp_path):
    other = ResultsFolderDataset(filepath=str(tmp_path / "other"))
    folder.save(results(2))
    other.save(results(2))
    for file in folder.path.iterdir():
        assert file.read_bytes() == (other.path / file.name).read_bytes()


def test_fewer_pictures_take_the_place_of_more_and_leave_what_is_not_theirs(folder):
    folder.save(results(5))
    (folder.path / "9999.png").write_bytes(b"the user's own")
    (folder.path / "notes.txt").write_text("mine")
    folder.save(results(2))
    assert sorted(file.name for file in folder.path.iterdir()) == [
        "0000.png", "0001.png", "9999.png", "generated.jsonl", "notes.txt", "trail.json",
    ]  # fmt: skip


def test_a_list_that_is_not_ours_names_nothing_to_remove(folder):
    folder.path.mkdir()
    (folder.path / "0007.png").write_bytes(b"x")
    for content in ('{"file": "../0007.png"}\n{"file": "notes.png"}', "no json", "[1]", '{"name": 3}'):
        (folder.path / "generated.jsonl").write_text(content)
        folder.save(results(1))
        assert (folder.path / "0007.png").exists()


def test_a_picture_that_cannot_be_written_leaves_the_earlier_results(folder):
    folder.save(results(2))
    before = {file.name: file.read_bytes() for file in folder.path.iterdir()}
    with pytest.raises(DatasetError):
        folder.save({**results(1), "0000.png": image(7), "trail.json": {"bad": float}})
    assert {file.name: file.read_bytes() for file in folder.path.iterdir()} == before


def test_a_file_in_place_of_the_folder(folder):
    folder.path.write_text("a file")
    with pytest.raises(DatasetError) as caught:
        folder.save(results(1))
    assert isinstance(caught.value.__cause__, LexipixError)
    assert "is a file, not a folder: choose another folder" in str(caught.value.__cause__)


def test_pairs_are_written_as_they_come(folder):
    written = []

    def pairs():
        for number, (name, content) in enumerate(results(5).items()):
            if number >= 4:
                assert any(folder.path.parent.rglob("0001.png")), "the first ones are on disk by now"
            written.append(name)
            yield name, iter(content) if name.endswith(".jsonl") else content

    folder.save(pairs())
    assert len(written) == 7
    assert folder.load()["generated.jsonl"] == results(5)["generated.jsonl"]


def test_a_failure_on_the_way_leaves_the_earlier_results(folder):
    folder.save(results(2))

    def broken():
        yield "0000.png", image(9)
        raise LexipixError("no more")

    with pytest.raises((LexipixError, DatasetError)):
        folder.save(broken())
    assert np.array_equal(folder.load()["0000.png"], image(0))


@pytest.mark.parametrize("n_moves", range(1, 8))
def test_a_kill_between_two_moves_leaves_no_list_beside_other_images(folder, monkeypatch, n_moves):
    folder.save(results(5))
    real, moves = os.replace, []

    def killed(source, target):
        if Path(target).parent == folder.path and Path(target).name != ".ready":
            moves.append(target)
            if len(moves) > n_moves:
                raise KeyboardInterrupt
        real(source, target)

    new = {f"{number:04d}.png": image(100 + number) for number in range(2)} | {"trail.json": {"n": 2}}
    rows = [{"file": f"{number:04d}.png"} for number in range(2)]
    monkeypatch.setattr(os, "replace", killed)
    with suppress(KeyboardInterrupt):
        folder.save({"generated.jsonl": rows, **new})
    monkeypatch.setattr(os, "replace", real)
    if (folder.path / "generated.jsonl").exists():
        assert n_moves >= 5, "the old list, three files, the new list"
        assert folder.load()["generated.jsonl"] == rows
        assert np.array_equal(folder.load()["0000.png"], image(100))
        assert not (folder.path / "0004.png").exists()
    else:
        assert n_moves < 5
    folder.save({"generated.jsonl": rows, **new})
    names = {file.name for file in folder.path.iterdir()}
    assert names == {"0000.png", "0001.png", "generated.jsonl", "trail.json"}
