"""What the file system and other programs do to a folder."""

import os
import zipfile
from pathlib import Path

import pytest

from lexipix.datasets.sources.folder import open_folder
from lexipix.utils.errors import LexipixError
from lexipix.utils.types import Reject, SourceImage


@pytest.fixture
def read(tmp_path, parameters):
    """Reads a folder: captions by file, rejects."""

    def go(root=tmp_path):
        items = list(open_folder(root, parameters()).read())
        captions = {item.file: item.caption for item in items if isinstance(item, SourceImage)}
        return captions, [item for item in items if isinstance(item, Reject)]

    return go


@pytest.fixture
def denied(monkeypatch):
    """Takes the permission from a path, also for root."""

    def go(path, *methods):
        for method in methods or ("iterdir", "stat", "open"):
            original = getattr(Path, method)

            def refused(self, *args, _original=original, **options):
                if self == path:
                    raise PermissionError(13, "Permission denied", str(self))
                return _original(self, *args, **options)

            monkeypatch.setattr(Path, method, refused)

    return go


def test_links_that_lead_nowhere_are_rejects(tmp_path, make_picture, read):
    make_picture(tmp_path / "a.png")
    (tmp_path / "circle.png").symlink_to("circle.png")
    (tmp_path / "gone.png").symlink_to("nothing.png")
    (tmp_path / "cats").symlink_to(tmp_path / "nowhere")
    captions, rejects = read()
    assert list(captions) == ["a.png"]
    assert [(item.file, item.is_counted) for item in rejects] == [
        ("cats", True),
        ("circle.png", True),
        ("gone.png", True),
    ]
    assert rejects[1].reason.startswith("it cannot be read: Too many levels of symbolic links")
    assert rejects[2].reason == "it is a link to something that does not exist"


def test_links_to_folders_and_files_are_followed(tmp_path, make_picture, read):
    make_picture(tmp_path / "elsewhere/owls/a.png", 1)
    make_picture(tmp_path / "elsewhere/b.png", 2)
    (tmp_path / "in").mkdir()
    (tmp_path / "in/owl").symlink_to(tmp_path / "elsewhere/owls")
    (tmp_path / "in/c.png").symlink_to(tmp_path / "elsewhere/b.png")
    captions, rejects = read(tmp_path / "in")
    assert captions == {"c.png": None, "owl/a.png": "a photo of an owl"} and not rejects


def test_each_folder_is_read_once_whatever_the_links(tmp_path, make_picture, read):
    root = tmp_path / "in"
    make_picture(root / "owl/a.png", 1)
    make_picture(tmp_path / "outside.png", 2)
    (root / "another").symlink_to(root / "owl")
    (root / "owl/up").symlink_to(root)
    (root / "owl/out").symlink_to(tmp_path)
    captions, rejects = read(root)
    assert captions == {"owl/a.png": "a photo of an owl"}, "the folder and not the link gives the name"
    assert [item.file for item in rejects] == ["another/", "owl/out/", "owl/up/"]
    assert not any(item.is_counted for item in rejects)
    assert rejects[0].reason == "a link to a folder that is read already, or that holds this one"


def test_a_folder_without_permission_is_a_reject(tmp_path, make_picture, read, denied):
    make_picture(tmp_path / "a.png")
    make_picture(tmp_path / "private/b.png")
    denied(tmp_path / "private", "iterdir")
    captions, rejects = read()
    assert list(captions) == ["a.png"]
    reason = "permission denied: check the permissions of the file or folder"
    assert rejects == [Reject("private/", reason)]


def test_a_file_without_permission_is_a_reject(tmp_path, make_picture, read, denied):
    make_picture(tmp_path / "a.png")
    make_picture(tmp_path / "b.png")
    denied(tmp_path / "b.png", "stat")
    captions, rejects = read()
    assert list(captions) == ["a.png"] and [item.file for item in rejects] == ["b.png"]


@pytest.mark.parametrize("method", ["iterdir", "stat"])
def test_a_root_without_permission_is_one_sentence(tmp_path, make_picture, read, denied, method):
    make_picture(tmp_path / "in/a.png")
    denied(tmp_path / "in", method)
    with pytest.raises(LexipixError, match=r"ingestion\.source\.path is .*/in, which cannot be read"):
        read(tmp_path / "in")


def test_metadata_that_cannot_be_read_is_one_sentence(tmp_path, make_picture, read, denied):
    make_picture(tmp_path / "a.png")
    (tmp_path / "metadata.csv").symlink_to("gone.csv")
    with pytest.raises(LexipixError, match=r"metadata\.csv: it is a link to something that does not exist"):
        read()
    (tmp_path / "metadata.csv").unlink()
    (tmp_path / "metadata.csv").write_text("file_name,text\na.png,a\n")
    denied(tmp_path / "metadata.csv", "open")
    with pytest.raises(LexipixError, match=r"metadata\.csv cannot be read \(Permission denied\)"):
        read()


def test_a_folder_of_nothing_but_broken_links_says_so(tmp_path, read):
    (tmp_path / "cat").symlink_to(tmp_path / "gone")
    with pytest.raises(LexipixError, match=r"has no images \(cat: it is a link to something that does not"):
        read()


def test_a_pipe_that_is_named_like_metadata_is_one_sentence(tmp_path, make_picture, read):
    make_picture(tmp_path / "a.png")
    os.mkfifo(tmp_path / "metadata.csv")
    with pytest.raises(LexipixError, match=r"metadata\.csv is no file"):
        read()


@pytest.mark.parametrize(
    "folder",
    ["@eaDir", "#recycle", "$RECYCLE.BIN", "lost+found", "System Volume Information", "__MACOSX", "@Recycle"],
)
def test_folders_of_other_programs_are_skipped_and_named(tmp_path, make_picture, read, caplog, folder):
    make_picture(tmp_path / "cats/p.png", 1)
    make_picture(tmp_path / f"cats/{folder}/p.png/SYNOPHOTO_THUMB_M.jpg", 2)
    make_picture(tmp_path / f"{folder}/old.png", 3)
    with caplog.at_level("INFO"):
        captions, rejects = read()
    assert captions == {"cats/p.png": "a photo of a cats"} and not rejects
    shown = ", ".join(sorted([folder, f"cats/{folder}"]))
    assert f"Skipped folders that other programs left: {shown}." in caplog.text


def test_a_class_with_a_sign_in_its_name_is_kept(tmp_path, make_picture, read):
    make_picture(tmp_path / "@artist/p.png")
    make_picture(tmp_path / "#tag/p.png", 1)
    assert set(read()[0]) == {"@artist/p.png", "#tag/p.png"}


# What is left out is said


def test_files_of_unknown_kinds_are_counted_and_named(tmp_path, make_picture, read, caplog):
    make_picture(tmp_path / "a.png")
    for name in ("p000", "p001.jpg_large", "sub/p002.png?w=300", "README.md", "Thumbs.db", ".hidden"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "backup.zip").write_bytes(b"x")
    read()
    (line,) = [line for line in caplog.messages if "are not read" in line]
    assert line.startswith("4 files in ")
    assert line.endswith(": p000, p001.jpg_large, backup.zip, sub/p002.png?w=300.")


def test_files_that_metadata_names_are_not_reported(tmp_path, make_picture, read, caplog):
    make_picture(tmp_path / "a.png")
    make_picture(tmp_path / "b", 1, format="PNG")
    (tmp_path / "metadata.csv").write_text("file_name,text\na.png,one\nb,two\n")
    captions, rejects = read()
    assert captions == {"a.png": "one", "b": "two"} and not rejects
    assert "are not read" not in caplog.text


def test_a_folder_of_unknown_kinds_names_one(tmp_path, read):
    (tmp_path / "p000").write_bytes(b"x")
    with pytest.raises(LexipixError, match=r"has no images \(p000 is none by its name\)"):
        read()


def test_folders_of_other_programs_in_an_archive_are_named(tmp_path, make_picture, read, caplog):
    content = make_picture(tmp_path / "in/a.png").read_bytes()
    with zipfile.ZipFile(tmp_path / "in.zip", "w") as archive:
        for name in ("a.png", "@eaDir/a.png/THUMB.png", "cats/__MACOSX/b.png"):
            archive.writestr(name, content)
    with caplog.at_level("INFO"):
        captions, _ = read(tmp_path / "in.zip")
    assert list(captions) == ["a.png"]
    assert "Skipped folders that other programs left: @eaDir, cats/__MACOSX." in caplog.text
