import gzip
import hashlib
import io
import os
import pickle
import tarfile
from typing import ClassVar

import numpy as np
import pytest
import yaml
from tests.support.project import REPOSITORY

from lexipix.datasets.sources import cifar10_files
from lexipix.datasets.sources.cifar10 import CLASSES, open_cifar10
from lexipix.utils.errors import LexipixError

NAMES = {0: "biplane", 2: "ostrich", 9: "fire_engine"}


def batch(seed, n_images=4):
    rng = np.random.default_rng(seed)
    labels = [int(label) for label in rng.choice(list(NAMES), n_images)]
    files = [f"{NAMES[label]}_s_{seed:03}{row:03}.png".encode() for row, label in enumerate(labels)]
    data = rng.integers(0, 256, (n_images, 3072), np.uint8)
    return {b"batch_label": b"x", b"labels": labels, b"data": data, b"filenames": files}


def dumped(content):
    return pickle.dumps(content, protocol=2)


def write_folder(folder, **replaced):
    folder.mkdir(parents=True, exist_ok=True)
    for seed, name in enumerate(cifar10_files.BATCHES):
        (folder / name).write_bytes(replaced.get(name) or dumped(batch(seed)))
    return folder


def write_archive(path, order=None, **replaced):
    with tarfile.open(path, "w:gz") as archive:
        for name in order or ("data_batch_4", "readme.html", *cifar10_files.BATCHES[:4], "data_batch_5"):
            if name in cifar10_files.BATCHES:
                content = replaced.get(name) or dumped(batch(cifar10_files.BATCHES.index(name)))
            else:
                content = b"<html>"
            member = tarfile.TarInfo(f"cifar-10-batches-py/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


@pytest.fixture
def read(parameters):
    def go(path, **change):
        return list(open_cifar10(path, parameters("cifar10", image_size=32, **change)).read())

    return go


def test_archive_and_folders_give_the_same(tmp_path, read):
    archive = write_archive(tmp_path / "cifar-10-python.tar.gz")
    folder = write_folder(tmp_path / "inside/cifar-10-batches-py")
    all_ways = [read(path) for path in (archive, tmp_path, folder, tmp_path / "inside")]
    for images in all_ways[1:]:
        assert [(p.file, p.caption, p.split) for p in images] == [
            (p.file, p.caption, p.split) for p in all_ways[0]
        ]
        assert all(np.array_equal(a.image, b.image) for a, b in zip(images, all_ways[0], strict=True))
    assert [p.split for p in all_ways[0]] == ["test"] * 4 + ["train"] * 20


def test_pixels_labels_and_captions(tmp_path, read):
    first = batch(0)
    images = read(write_folder(tmp_path / "cifar-10-batches-py"))
    for row in range(4):
        planes = first[b"data"][row].reshape(3, 32, 32)
        for channel in range(3):
            np.testing.assert_array_equal(images[row].image[..., channel], planes[channel])
        assert images[row].label == CLASSES[first[b"labels"][row]]
        assert images[row].file == first[b"filenames"][row].decode()
    captions = {p.label: p.caption for p in images}
    assert captions["bird"] == "a photo of an ostrich, a bird"
    assert captions["truck"] == "a photo of a fire engine, a truck"


def test_noun_that_says_no_more_than_the_class(tmp_path, read):
    content = batch(0, 2) | {b"labels": [2, 0], b"filenames": [b"bird_s_000001.png", b"odd name.png"]}
    images = read(write_folder(tmp_path / "f", test_batch=dumped(content)))
    assert [p.caption for p in images[:2]] == ["a photo of a bird", "a photo of an airplane"]


def test_other_size_and_a_part(tmp_path, read, parameters):
    folder = write_folder(tmp_path / "f")
    assert read(folder)[0].image.shape == (32, 32, 3)
    items = open_cifar10(folder, parameters("cifar10", image_size=16)).read()
    assert next(items).image.shape == (16, 16, 3)
    part = read(folder, source={"max_images": 3})
    assert [p.split for p in part] == ["test"] * 3 + ["train"] * 3


def test_nothing_there_tells_both_ways_to_get_it(tmp_path, read):
    with pytest.raises(LexipixError) as error:
        read(tmp_path / "cifar-10-python.tar.gz")
    assert "`dvc update data/01_raw/cifar-10-python.tar.gz.dvc`" in str(error.value)
    assert "--params=ingestion.source.path=" in str(error.value)


@pytest.mark.parametrize("missing", ["test_batch", "data_batch_3"])
def test_missing_batch(tmp_path, read, missing):
    folder = write_folder(tmp_path / "f")
    (folder / missing).unlink()
    with pytest.raises(LexipixError, match=f"lacks {missing}"):
        read(folder)
    order = [name for name in cifar10_files.BATCHES if name != missing]
    with pytest.raises(LexipixError, match=f"lacks {missing}"):
        read(write_archive(tmp_path / "a.tar.gz", order))


@pytest.mark.parametrize("share", [0.0, 0.0001, 0.2, 0.5, 0.8, 0.999, "end"])
def test_archive_cut_short(tmp_path, read, share):
    path = write_archive(tmp_path / "a.tar.gz")
    content = path.read_bytes()
    path.write_bytes(content[:-4] if share == "end" else content[: int(share * len(content))])
    with pytest.raises(
        LexipixError, match=r"a.tar.gz (is incomplete or damaged .*bytes, the official|lacks)"
    ):
        read(path)


def test_archive_with_altered_bytes(tmp_path, read):
    path = write_archive(tmp_path / "a.tar.gz")
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0x55
    path.write_bytes(content)
    with pytest.raises(LexipixError, match=r"a\.tar\.gz"):
        read(path)


def test_archive_of_the_official_size_must_have_the_official_md5(tmp_path, read, monkeypatch):
    path = write_archive(tmp_path / "a.tar.gz")
    monkeypatch.setattr(cifar10_files, "OFFICIAL_SIZE", path.stat().st_size)
    found = hashlib.md5(path.read_bytes()).hexdigest()
    with pytest.raises(LexipixError, match=f"was altered, its MD5 is {found} instead of c58f3010"):
        read(path)
    monkeypatch.setattr(cifar10_files, "OFFICIAL_MD5", found)
    assert len(read(path)) == 24


def test_a_plain_tar_and_a_file_that_is_none(tmp_path, read):
    packed = write_archive(tmp_path / "a.tar.gz")
    (tmp_path / "a.tar").write_bytes(gzip.decompress(packed.read_bytes()))
    assert len(read(tmp_path / "a.tar")) == 24
    (tmp_path / "b.tar.gz").write_text("<html>404</html>")
    with pytest.raises(LexipixError, match="incomplete or damaged"):
        read(tmp_path / "b.tar.gz")


def test_nothing_is_extracted(tmp_path, read):
    path = write_archive(tmp_path / "a.tar.gz", order=["../../evil", *cifar10_files.BATCHES])
    before = sorted(tmp_path.parent.rglob("*"))
    read(path)
    assert sorted(tmp_path.parent.rglob("*")) == before


def test_batches_that_are_too_large_are_not_read(tmp_path, read, monkeypatch):
    monkeypatch.setattr(cifar10_files, "MAX_BATCH_BYTES", 1000)
    for path in (write_folder(tmp_path / "f"), write_archive(tmp_path / "a.tar.gz")):
        with pytest.raises(LexipixError, match=r"_batch.*\) has 1\d,\d{3} bytes, a batch has 1,000 at most"):
            read(path)


class Evil:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.system, (f"touch {self.path}",)


def evil_pickles(mark):
    yield pickle.dumps(Evil(mark), protocol=2)
    yield dumped(batch(0) | {b"extra": Evil(mark)})
    yield f"cbuiltins\nexec\n(Vopen({str(mark)!r}, 'w')\ntR.".encode()
    yield f"cnumpy\nload\n(V{mark}\ntR.".encode()
    yield b"c_codecs\ndecode\n(Vx\ntR."
    yield b"cnumpy\nndarray\n((I1000000\nttR."
    yield b"c_codecs\nencode\n(Vx\nVzip\ntR."


@pytest.mark.parametrize("number", range(7))
@pytest.mark.parametrize("kind", ["folder", "archive"])
def test_altered_pickles_run_nothing(tmp_path, read, number, kind):
    mark = tmp_path / "mark"
    evil = list(evil_pickles(mark))[number]
    if kind == "folder":
        path = write_folder(tmp_path / "f", data_batch_2=evil)
    else:
        path = write_archive(tmp_path / "a.tar.gz", data_batch_2=evil)
    with pytest.raises(LexipixError, match=r"data_batch_2.* was altered, it (needs|creates)"):
        read(path)
    assert not mark.exists()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is damaged .EOFError"),
        (dumped(batch(0))[:5000], "is damaged"),
        (dumped([1, 2]), "is not a batch of CIFAR-10"),
        (dumped({}), "is not a batch of CIFAR-10"),
        (dumped(batch(0) | {b"labels": [1]}), "is not a batch of CIFAR-10"),
        (
            dumped(batch(0) | {b"labels": [], b"filenames": []}),
            "is not a batch of CIFAR-10",
        ),
        (dumped(batch(0) | {b"labels": [0, 1, 2, 10]}), "is not a batch of CIFAR-10"),
        (dumped(batch(0) | {b"labels": [0, 1, 2, -1]}), "is not a batch of CIFAR-10"),
        (dumped(batch(0) | {b"labels": [0, 1, 2, "3"]}), "is not a batch of CIFAR-10"),
        (dumped(batch(0) | {b"data": np.zeros((4, 3071), np.uint8)}), "is not a batch of CIFAR-10"),
        (dumped(batch(0) | {b"data": np.zeros((3, 3072), np.uint8)}), "is not a batch of CIFAR-10"),
        (dumped(batch(0) | {b"data": np.zeros((4, 3072), np.float32)}), "is not a batch of CIFAR-10"),
        (dumped(batch(0) | {b"data": b"x" * 4 * 3072}), "is not a batch of CIFAR-10"),
        (dumped(batch(0) | {b"filenames": [b"a", b"b", b"c", 4]}), "is not a batch of CIFAR-10"),
    ],
)
def test_batches_that_hold_something_else(tmp_path, read, content, said):
    folder = write_folder(tmp_path / "f")
    (folder / "data_batch_1").write_bytes(content)
    with pytest.raises(LexipixError, match=rf"data_batch_1\) .*{said}"):
        read(folder)


class Python2Pickler(pickle._Pickler):
    """Writes byte strings with Python 2's opcodes, as the official batches have them."""

    dispatch: ClassVar = dict(pickle._Pickler.dispatch)

    def save_bytes(self, content):
        short = len(content) < 256
        self.write(b"U" + bytes([len(content)]) if short else b"T" + len(content).to_bytes(4, "little"))
        self.write(content)
        self.memoize(content)

    dispatch[bytes] = save_bytes


def test_pickles_of_python_2(tmp_path, read):
    file = io.BytesIO()
    Python2Pickler(file, protocol=2).dump(batch(0))
    content = file.getvalue().replace(b"cnumpy._core.multiarray\n", b"cnumpy.core.multiarray\n")
    assert b"_codecs" not in content and b"cnumpy.core.multiarray\n_reconstruct" in content
    images = read(write_folder(tmp_path / "f", test_batch=content))
    same = read(write_folder(tmp_path / "g"))
    assert [(p.file, p.label, p.image.tobytes()) for p in images] == [
        (p.file, p.label, p.image.tobytes()) for p in same
    ]


def test_dvc_import_is_the_one_that_is_checked():
    entry = yaml.safe_load((REPOSITORY / "data/01_raw/cifar-10-python.tar.gz.dvc").read_text())
    assert entry["frozen"] is True
    assert entry["deps"][0]["path"] == "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz"
    out = entry["outs"][0]
    assert (out["md5"], out["size"]) == (cifar10_files.OFFICIAL_MD5, cifar10_files.OFFICIAL_SIZE)
    assert out["path"] == cifar10_files.ARCHIVE
