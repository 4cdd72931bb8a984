"""The digest of what a parameter names: of what the ingestion reads, and no more."""

import os

import pytest

from lexipix.repro.digests import dvc_digest, named_digest


@pytest.fixture
def folder(tmp_path):
    """A folder of images with captions, and one beside it."""
    root = tmp_path / "mine"
    (root / "cats").mkdir(parents=True)
    (root / "cats" / "a.png").write_bytes(b"a")
    (root / "cats" / "a.txt").write_text("a cat")
    (tmp_path / "beside").mkdir()
    (tmp_path / "beside" / "b.png").write_bytes(b"b")
    return root


def test_it_is_dvcs_digest_of_a_plain_folder_and_of_a_file(folder):
    assert named_digest(folder) == dvc_digest(folder)
    assert named_digest(folder / "cats/a.png") == dvc_digest(folder / "cats/a.png")


def test_pipes_devices_and_links_that_lead_nowhere_are_no_files(folder):
    before = named_digest(folder)
    os.mkfifo(folder / "pipe.png")
    (folder / "zero.png").symlink_to("/dev/zero")
    (folder / "gone.png").symlink_to("nothing.png")
    (folder / "circle").symlink_to("circle")
    (folder / "up").symlink_to(folder.parent)
    assert named_digest(folder) == before


@pytest.mark.parametrize("name", [".git/index", ".DS_Store", "cats/@eaDir/a.png/THUMB.jpg", "Thumbs.db"])
def test_what_other_programs_leave_does_not_change_it(folder, name):
    before = named_digest(folder)
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(b"x")
    assert named_digest(folder) == before


def test_a_linked_folder_belongs_to_it(folder):
    (folder / "owls").symlink_to(folder.parent / "beside")
    before = named_digest(folder)
    (folder.parent / "beside" / "b.png").write_bytes(b"another")
    assert named_digest(folder) != before


@pytest.mark.parametrize("name", ["cats/a.png", "cats/a.txt", "metadata.csv", "b.svg", "images.zip"])
def test_each_file_that_decides_what_is_ingested_changes_it(folder, name):
    before = named_digest(folder)
    (folder / name).write_bytes(b"changed")
    assert named_digest(folder) != before


def test_files_of_other_kinds_count_where_metadata_may_name_them_and_where_there_are_no_images(folder):
    before = named_digest(folder)
    (folder / "a.large").write_bytes(b"x")
    assert named_digest(folder) == before
    (folder / "metadata.csv").write_text("file_name,text\na.large,a\n")
    with_metadata = named_digest(folder)
    (folder / "a.large").write_bytes(b"y")
    assert named_digest(folder) != with_metadata
    model = folder.parent / "model"
    model.mkdir()
    (model / "model.safetensors").write_bytes(b"x")
    assert named_digest(model) == dvc_digest(model)


def test_a_file_that_may_not_be_read_counts_by_its_name(folder, monkeypatch):
    before = named_digest(folder)
    (folder / "b.png").write_bytes(b"b")
    original = type(folder).open

    def refused(self, *arguments, **options):
        if self.name == "b.png":
            raise PermissionError(13, "Permission denied", str(self))
        return original(self, *arguments, **options)

    monkeypatch.setattr(type(folder), "open", refused)
    assert named_digest(folder) != before


def test_a_device_has_none(tmp_path):
    (tmp_path / "zero").symlink_to("/dev/zero")
    with pytest.raises(OSError, match="neither a file nor a folder"):
        named_digest(tmp_path / "zero")
