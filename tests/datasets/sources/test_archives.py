"""Zip archives of folders, and tar shards as WebDataset writes them."""

import io
import json
import os
import stat
import tarfile
import zipfile

import numpy as np
import pytest

from lexipix.datasets.sources import archives
from lexipix.datasets.sources.folder import open_folder
from lexipix.utils.errors import LexipixError


def save_zip(path, files, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", **options) as archive:
        for name, content in files.items():
            archive.writestr(name, content)


def save_tar(path, files):
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))


SAVERS = {"zip": save_zip, "tar": save_tar}


def captions(images):
    return {file: (image.caption, *image.paraphrases) for file, image in images.items()}


@pytest.mark.parametrize("suffix", SAVERS)
@pytest.mark.parametrize("top", ["", "my-pictures/"])
def test_an_archive_of_a_folder_is_read_as_the_folder(tmp_path, make_picture, read_source, suffix, top):
    folder = tmp_path / "folder"
    for number, name in enumerate(["train/owl/1.png", "train/a.png", "test/owl/1.png", "train/sub/b.png"]):
        make_picture(folder / name, number)
    (folder / "train/a.txt").write_text("a star\n\nthe star")
    (folder / "train/sub/metadata.jsonl").write_text('{"file_name": "b.png", "text": "太阳"}\n')
    files = {
        f"{top}{path.relative_to(folder).as_posix()}": path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
    files |= {"__MACOSX/._a.png": b"x", ".DS_Store": b"x"}
    SAVERS[suffix](tmp_path / f"a.{suffix}", files)
    expected, _, source = read_source("folder")
    images, rejects, own = read_source(f"a.{suffix}")
    assert list(images) == list(expected) and not rejects and own.splits == source.splits == {"test"}
    for file, image in images.items():
        np.testing.assert_array_equal(image.image, expected[file].image)
        assert (image.caption, image.paraphrases, image.label, image.split) == (
            expected[file].caption, expected[file].paraphrases, expected[file].label, expected[file].split
        )  # fmt: skip


def test_shards_are_read_together_and_names_can_occur_in_each(tmp_path, png, read_source):
    for shard in range(2):
        files = {"000.jpg": png(shard), "000.txt": f"star {shard}".encode(), "001.png": png(9 + shard)}
        files["001.json"] = json.dumps({"caption": f"moon {shard}", "url": "x"}).encode()
        save_tar(tmp_path / f"part-{shard:05}.tar", files)
    images, rejects, source = read_source()
    assert captions(images) == {
        "part-00000.tar/000.jpg": ("star 0",), "part-00000.tar/001.png": ("moon 0",),
        "part-00001.tar/000.jpg": ("star 1",), "part-00001.tar/001.png": ("moon 1",),
    }  # fmt: skip
    assert not rejects and source.splits == frozenset()
    assert {image.label for image in images.values()} == {None}, "a shard is no class"


def test_names_of_shards_are_splits(tmp_path, png, read_source):
    for number, name in enumerate(["train-0.tar", "train-1.tar", "val-0.tar"]):
        save_tar(tmp_path / "data" / name, {"000.png": png(number), "000.txt": name.encode()})
    images, _, source = read_source()
    assert [(image.split, image.caption) for image in images.values()] == [
        ("val", "val-0.tar"), ("train", "train-0.tar"), ("train", "train-1.tar")
    ]  # fmt: skip
    assert source.splits == {"val"}
    assert len(read_source(source={"max_images": 1})[0]) == 2, "of each split"


def test_archives_beside_loose_images_are_not_read(tmp_path, make_picture, png, read_source):
    make_picture(tmp_path / "a.png")
    save_zip(tmp_path / "backup.zip", {"a.png": png(1)})
    assert list(read_source()[0]) == ["a.png"]


@pytest.mark.parametrize("suffix", SAVERS)
def test_hostile_names_are_rejects_and_nothing_is_written(tmp_path, png, read_source, suffix):
    content = png()
    names = ["../out.png", "/abs.png", "a/../../b.png", "C:/c.png", "x/good.png", "y/evil\x1b[31m.png"]
    SAVERS[suffix](tmp_path / "in" / f"a.{suffix}", dict.fromkeys(names, content))
    before = sorted(tmp_path.rglob("*"))
    images, rejects, _ = read_source(f"in/a.{suffix}")
    assert set(images) == {"x/good.png", "y/evil\x1b[31m.png"}
    assert set(rejects.values()) == {"its name leads out of the archive"} and len(rejects) == 4
    assert sorted(tmp_path.rglob("*")) == before


def test_links_and_devices_in_a_tar_are_rejects(tmp_path, png, read_source):
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        for name, kind in {
            "l.png": tarfile.SYMTYPE,
            "h.png": tarfile.LNKTYPE,
            "p.png": tarfile.FIFOTYPE,
        }.items():
            member = tarfile.TarInfo(name)
            member.type, member.linkname = kind, "/etc/passwd"
            archive.addfile(member)
        member = tarfile.TarInfo("a.png")
        member.size = len(png())
        archive.addfile(member, io.BytesIO(png()))
    images, rejects, _ = read_source("a.tar")
    assert list(images) == ["a.png"]
    assert set(rejects) == {"l.png", "h.png", "p.png"}
    assert set(rejects.values()) == {"a link or device in an archive, which is not followed"}


def test_links_and_rare_methods_in_a_zip_are_rejects(tmp_path, png, read_source):
    link = zipfile.ZipInfo("l.png")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr(link, "/etc/passwd")
        archive.writestr("m.png", png(), zipfile.ZIP_LZMA)
        archive.writestr("a.png", png(), zipfile.ZIP_DEFLATED)
    images, rejects, _ = read_source("a.zip")
    assert list(images) == ["a.png"]
    assert rejects["l.png"] == "a link in an archive, which is not followed"
    assert rejects["m.png"].startswith("packed by a rare method")


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("suffix", SAVERS)
def test_a_name_that_occurs_twice_is_a_reject(tmp_path, png, read_source, suffix):
    SAVERS[suffix](tmp_path / f"a.{suffix}", {"a.png": png(1), "./a.png": png(2)})
    assert list(read_source(f"a.{suffix}")[0]) == ["a.png"] if suffix == "zip" else True
    tree = archives.open_archive(tmp_path / f"a.{suffix}")
    assert [reject.reason for listing in tree.listings for reject in listing.rejects] == [
        "the archive has another file of this name"
    ]


def test_an_encrypted_zip_is_one_sentence(tmp_path, png, parameters):
    save_zip(tmp_path / "a.zip", {"a.png": png()})
    content = bytearray((tmp_path / "a.zip").read_bytes())
    for sign, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(sign) + offset] |= 1
    (tmp_path / "a.zip").write_bytes(content)
    with pytest.raises(LexipixError, match=r"a\.zip is encrypted: unpack it"):
        open_folder(tmp_path / "a.zip", parameters())


def test_a_zip_bomb_is_one_sentence(tmp_path, png, parameters, monkeypatch):
    monkeypatch.setattr(archives, "MAX_UNPACKED", 2**20)
    bomb = {"a.png": png(), "b.bmp": bytes(2**24)}
    save_zip(tmp_path / "a.zip", bomb, compression=zipfile.ZIP_DEFLATED)
    with pytest.raises(LexipixError, match=r"claims to hold 16,778,\d+, more than 100 times as much"):
        open_folder(tmp_path / "a.zip", parameters())


@pytest.mark.parametrize(("limit", "number"), [("MAX_MEMBERS", 3), ("MAX_INDEX", 100)])
def test_more_members_than_the_limit_are_refused_while_they_are_read(
    tmp_path, png, parameters, monkeypatch, limit, number
):
    """An archive may claim to have fewer."""
    save_zip(tmp_path / "a.zip", {f"{number}.png": png(number) for number in range(5)})
    content = bytearray((tmp_path / "a.zip").read_bytes())
    end = content.rindex(b"PK\x05\x06")
    content[end + 8 : end + 12] = (1).to_bytes(2, "little") * 2
    (tmp_path / "a.zip").write_bytes(content)
    monkeypatch.setattr(archives, limit, number)
    monkeypatch.setattr(zipfile.ZipFile, "infolist", None)
    with pytest.raises(LexipixError, match=r"a\.zip has more than .* files: divide it into several"):
        open_folder(tmp_path / "a.zip", parameters())


def test_a_member_that_unpacks_to_more_than_it_claims_is_a_reject(tmp_path, png, read_source):
    save_zip(tmp_path / "a.zip", {"a.png": png(), "b.bmp": bytes(2**22)}, compression=zipfile.ZIP_DEFLATED)
    content = (tmp_path / "a.zip").read_bytes()
    claimed = (2**22).to_bytes(4, "little")
    assert content.count(claimed) == 2
    (tmp_path / "a.zip").write_bytes(content.replace(claimed, (500).to_bytes(4, "little")))
    images, rejects, _ = read_source("a.zip")
    assert list(images) == ["a.png"] and rejects["b.bmp"].startswith("damaged in the archive: Bad CRC")


@pytest.mark.parametrize("suffix", SAVERS)
def test_a_damaged_member_is_a_reject(tmp_path, png, read_source, suffix):
    contents = {f"{number}.png": png(number, (40, 40)) for number in range(4)}
    SAVERS[suffix](tmp_path / f"a.{suffix}", contents)
    archive = (tmp_path / f"a.{suffix}").read_bytes()
    start = archive.index(contents["2.png"])
    damaged = archive[: start + 900] + bytes(1500) + archive[start + 2400 :]
    (tmp_path / f"a.{suffix}").write_bytes(damaged)
    images, rejects, _ = read_source(f"a.{suffix}")
    assert list(images) == ["0.png", "1.png", "3.png"] and list(rejects) == ["2.png"]


@pytest.mark.parametrize("suffix", SAVERS)
@pytest.mark.parametrize("damage", ["cut", "header", "text", "empty"])
def test_a_damaged_archive_is_one_sentence(tmp_path, png, parameters, suffix, damage):
    contents = {f"{number}.png": png(number, (40, 40)) for number in range(4)}
    path = tmp_path / f"a.{suffix}"
    SAVERS[suffix](path, contents)
    content = path.read_bytes()
    header = content.rindex(b"PK\x01\x02") if suffix == "zip" else content.rindex(b"2.png") + 100
    path.write_bytes(
        {
            "cut": content[: len(content) // 3],
            "header": content[:header] + b"\xff" * 60 + content[header + 60 :],
            "text": b"hello" * 500,
            "empty": b"",
        }[damage]
    )
    with pytest.raises(
        LexipixError, match=rf"a\.{suffix}.*(is no archive, or damaged|has no images)"
    ) as error:
        open_folder(path, parameters())
    assert "\n" not in str(error.value)


def test_a_header_of_gigabytes_is_one_sentence(tmp_path, parameters):
    header = tarfile.TarInfo("././@PaxHeader")
    header.type, header.size = tarfile.XHDTYPE, 2**33
    (tmp_path / "a.tar").write_bytes(header.tobuf(tarfile.GNU_FORMAT) + bytes(2048))
    with pytest.raises(LexipixError, match="a header of 8,589,934,592 bytes"):
        open_folder(tmp_path / "a.tar", parameters())


def test_a_tar_that_is_compressed_as_a_whole_is_one_sentence(tmp_path, png, parameters):
    with tarfile.open(tmp_path / "a.tar.gz", "w:gz") as archive:
        member = tarfile.TarInfo("a.png")
        member.size = len(png())
        archive.addfile(member, io.BytesIO(png()))
    with pytest.raises(LexipixError, match=r"is compressed as a whole.*: uncompress it to a\.tar first"):
        open_folder(tmp_path / "a.tar.gz", parameters())


def test_names_in_utf_8_without_the_flag_and_backslashes(tmp_path, png, read_source):
    save_zip(tmp_path / "a.zip", {"caf\u00e9.png": png(1), "owl\\1.png": png(2), "owl\\2.png": png(3)})
    content = bytearray((tmp_path / "a.zip").read_bytes())
    for sign, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(sign) + offset + 1] &= ~8
    (tmp_path / "a.zip").write_bytes(content)
    images, _, _ = read_source("a.zip")
    assert set(images) == {"caf\u00e9.png", "owl/1.png", "owl/2.png"}
    assert images["owl/1.png"].label == "owl"


def test_a_limit_of_files(tmp_path, png, parameters, monkeypatch):
    monkeypatch.setattr(archives, "MAX_MEMBERS", 2)
    save_zip(tmp_path / "a.zip", {f"{number}.png": png() for number in range(3)})
    with pytest.raises(LexipixError, match="has more than 2 files"):
        open_folder(tmp_path / "a.zip", parameters())


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_an_archive_that_may_not_be_read_is_one_sentence(tmp_path, png, parameters):
    save_zip(tmp_path / "a.zip", {"a.png": png()})
    (tmp_path / "a.zip").chmod(0)
    with pytest.raises(LexipixError, match="cannot be read"):
        open_folder(tmp_path / "a.zip", parameters())


# Records beside images


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        ('{"text": "a star"}', ("a star",)),
        ('{"caption": ["a star", "one star"], "width": 3}', ("a star", "one star")),
        ('{"text": null, "caption": "no"}', (None,)),
        ('{"label": "owl"}', ("a photo of an owl",)),
    ],
)
def test_a_record_beside_an_image(tmp_path, make_picture, read_source, record, expected):
    make_picture(tmp_path / "a.png")
    (tmp_path / "a.json").write_text(record)
    assert captions(read_source()[0]) == {"a.png": expected}


@pytest.mark.parametrize("name", ["a.png.json", "A.PNG.JSON"])
def test_a_record_by_the_whole_name_of_an_image(tmp_path, make_picture, read_source, name):
    make_picture(tmp_path / "a.png", 1)
    make_picture(tmp_path / "a.jpg", 2, format="PNG")
    (tmp_path / name).write_text('{"description": "a star"}')
    assert captions(read_source()[0]) == {"a.png": ("a star",), "a.jpg": (None,)}


def test_text_files_count_before_records(tmp_path, make_picture, read_source):
    make_picture(tmp_path / "a.png")
    (tmp_path / "a.json").write_text("damaged")
    (tmp_path / "a.txt").write_text("a star")
    images, rejects, _ = read_source()
    assert captions(images) == {"a.png": ("a star",)} and not rejects


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        ("{", "its caption file a.json is not valid JSON"),
        ("[" * 100_000, "its caption file a.json is not valid JSON"),
        ("[1]", "its caption file a.json is not a JSON object"),
        ('{"text": "a", "text": "b"}', "its caption file a.json has the field 'text' twice"),
        ('{"url": 1}', "its caption file a.json has no field 'text' (found: url): set"),
        ('{"text": 7}', "the caption in a.json in the field 'text' is not a text"),
        (" " * 2**20 + "{}", "its caption file a.json has 1,048,578 bytes"),
    ],
)
def test_a_record_that_cannot_be_used_rejects_its_image(tmp_path, make_picture, read_source, record, reason):
    make_picture(tmp_path / "a.png")
    (tmp_path / "a.json").write_text(record)
    images, rejects, _ = read_source()
    assert not images and rejects["a.png"].startswith(reason)
