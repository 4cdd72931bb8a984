import errno
import json
import logging

import numpy as np
import pytest
from kedro.io import DatasetError

from lexipix.datasets import split_files
from lexipix.datasets.image_store import ImageStoreDataset
from lexipix.utils.errors import LexipixError
from lexipix.utils.types import SPLITS, Duplicate, Reject, SourceImage


class Stream:
    """Pictures dealt to the four splits in turn, a reject, the summary; or an end before it."""

    shard_rows = None

    def __init__(self, n_images=40, size=8, breaks=None, seed=0):
        self.n_images, self.size, self.breaks, self.seed = n_images, size, breaks, seed
        self.closed = False

    def images(self, split):
        return [self.image(i) for i in range(self.n_images) if SPLITS[i % 4] == split]

    def image(self, number):
        return np.full((self.size, self.size, 3), (number + self.seed) % 256, np.uint8)

    def __iter__(self):
        try:
            for number in range(self.n_images):
                if self.breaks and number == self.n_images // 2:
                    raise self.breaks
                caption = None if number % 5 == 0 else f"ein Bild, 第{number}"
                yield SourceImage(
                    f"{number}.png",
                    self.image(number),
                    caption,
                    ("a", "b") if number % 2 else (),
                    label="owl" if number % 3 else None,
                    split=SPLITS[number % 4],
                    withheld_caption="truth" if number == 0 else None,
                    digest=f"{number:032x}",
                )
            yield Reject("bad, really.png", 'it is "broken"\nvery')
            yield {"source": "test", "rejected": 1} | {f"n_{split}": self.n_images // 4 for split in SPLITS}
        finally:
            self.closed = True


@pytest.fixture
def store(tmp_path):
    return ImageStoreDataset(
        filepath=str(tmp_path / "deep/pictures"), made_by="kedro run --pipelines ingestion"
    )


def beside(store):
    return sorted(path.name for path in store.path.parent.iterdir()) if store.path.parent.exists() else []


@pytest.mark.parametrize("chunk", [1, 3, 4096])
def test_round_trip(store, monkeypatch, chunk):
    monkeypatch.setattr(split_files, "_CHUNK_ROWS", chunk)
    stream = Stream()
    store.save(stream)
    image_splits = store.load()
    for split in SPLITS:
        images = image_splits[split].images
        assert isinstance(images, np.memmap) and images.dtype == np.uint8 and not images.flags.writeable
        np.testing.assert_array_equal(images, stream.images(split))
        assert len(image_splits[split].captions) == len(images) == len(image_splits[split])
    captions = image_splits.val.captions
    assert list(captions.columns) == [
        "file", "caption", "caption_source", "paraphrases", "label", "digest", "withheld_caption",
    ]  # fmt: skip
    assert captions.file.tolist()[:2] == ["1.png", "5.png"]
    assert captions.caption.tolist()[0] == "ein Bild, 第1"
    assert captions.caption.isna().tolist() == captions.caption_source.isna().tolist()
    assert captions.caption.isna()[1] and captions.caption_source[0] == "given"
    assert captions.paraphrases.tolist()[0] == ["a", "b"] and image_splits.test.captions.paraphrases[0] == []
    assert image_splits.train.captions.withheld_caption.tolist()[0] == "truth"
    assert image_splits.train.captions.withheld_caption.isna().sum() == 9
    assert captions.label.isna().sum() == 3
    assert captions.digest[0] == f"{1:032x}"
    assert image_splits.rejects.to_dict("records") == [
        {"file": "bad, really.png", "reason": 'it is "broken"\nvery'}
    ]
    assert image_splits.summary["source"] == "test"
    assert beside(store) == ["pictures"]


def test_captions_of_copies_are_added_to_the_image(store):
    class Copies(Stream):
        def __iter__(self):
            *items, summary = super().__iter__()
            yield from items
            yield Duplicate("x", "duplicate", digest=f"{0:032x}", texts=("first", "second"))
            yield Duplicate("y", "duplicate", digest=f"{1:032x}", texts=("third",))
            yield Duplicate("z", "duplicate", digest=f"{1:032x}", texts=("fourth",))
            yield summary

    store.save(Copies())
    tables = store.load()
    table = tables.train.captions
    assert (table.caption[0], table.caption_source[0], table.paraphrases[0]) == ("first", "given", ["second"])
    table = tables.val.captions
    assert (table.caption[0], table.paraphrases[0]) == ("ein Bild, 第1", ["a", "b", "third", "fourth"])
    assert table.paraphrases[1] == ["a", "b"] and len(tables.rejects) == 4


@pytest.mark.parametrize(
    ("source", "counts", "said"),
    [
        (
            "folder",
            {"class_captions": 10, "uncaptioned": 5},
            "25 captions from files, 10 captions from folder names, 5 ",
        ),
        ("folder", {"described": 40}, "rejected; 40 captions from ingestion.captioner)"),
        ("scenes", {"uncaptioned": 8}, "32 captions from the source, 8 images without a caption)"),
    ],
)
def test_the_log_says_where_the_captions_come_from(store, caplog, source, counts, said):
    class Counted(Stream):
        def __iter__(self):
            *items, summary = super().__iter__()
            yield from items
            yield summary | counts | {"source": source}

    with caplog.at_level("INFO"):
        store.save(Counted())
    assert said in caplog.text


def test_plain_numpy_reads_the_images(store):
    store.save(Stream())
    images = np.load(store.path / "train/images.npy")
    assert images.shape == (10, 8, 8, 3)
    assert (store.path / "train/images.npy").stat().st_size == 128 + images.nbytes


def test_same_stream_same_bytes(store, tmp_path):
    other = ImageStoreDataset(filepath=str(tmp_path / "other"))
    store.save(Stream())
    other.save(Stream())
    files = sorted(path.relative_to(store.path) for path in store.path.rglob("*") if path.is_file())
    assert len(files) == 10
    for file in files:
        assert (store.path / file).read_bytes() == (other.path / file).read_bytes()


def test_split_without_pictures(store):
    store.save(Stream(n_images=1))
    image_splits = store.load()
    assert len(image_splits.train) == 1 and image_splits.test.images.shape == (0, 8, 8, 3)
    assert len(image_splits.test.captions) == 0


def test_nothing_there_yet(store):
    assert not store.exists()
    with pytest.raises(DatasetError, match="run `kedro run --pipelines ingestion` first"):
        store.load()


@pytest.mark.parametrize(
    "breaks",
    [
        KeyboardInterrupt(),
        LexipixError("50 of 250 pictures cannot be used"),
        OSError(errno.ENOSPC, "No space left on device"),
        MemoryError(),
    ],
)
@pytest.mark.parametrize("before", [False, True])
def test_a_stream_that_breaks_leaves_what_was_there(store, breaks, before):
    if before:
        store.save(Stream(seed=100))
    stream = Stream(breaks=breaks)
    with pytest.raises(KeyboardInterrupt if isinstance(breaks, KeyboardInterrupt) else DatasetError) as error:
        store.save(stream)
    if isinstance(breaks, OSError):
        assert "the disk is full: free some space" in str(error.value)
    assert stream.closed
    assert store.exists() is before and beside(store) == (["pictures"] if before else [])
    if before:
        np.testing.assert_array_equal(store.load().val.images, Stream(seed=100).images("val"))
    store.save(Stream(seed=7))
    np.testing.assert_array_equal(store.load().val.images, Stream(seed=7).images("val"))


class FullDisk:
    """A file on a disk with room for some bytes."""

    def __init__(self, file, room):
        self._file, self._room = file, room

    def write(self, content):
        self._room -= len(content)
        if self._room < 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        return self._file.write(content)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._file.close()

    def __getattr__(self, name):
        return getattr(self._file, name)


@pytest.mark.parametrize("room", [0, 100, 500, 2_000])
@pytest.mark.parametrize("name", ["images.npy", "captions.parquet"])
def test_full_disk_while_writing(store, monkeypatch, room, name):
    from pathlib import Path

    opened = Path.open

    def open_on_full_disk(path, *args, **options):
        file = opened(path, *args, **options)
        return FullDisk(file, room) if path.name == name else file

    store.save(Stream(seed=100))
    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", open_on_full_disk)
        with pytest.raises(
            DatasetError, match="pictures could not be written, the disk is full: free some space"
        ):
            store.save(Stream(n_images=400))
    assert beside(store) == ["pictures"]
    np.testing.assert_array_equal(store.load().test.images, Stream(seed=100).images("test"))


def test_what_a_killed_run_left_is_removed(store):
    leftover = store.path.parent / ".pictures.999999999.part"
    leftover.mkdir(parents=True)
    (leftover / "images.npy").write_bytes(b"half")
    assert not store.exists()
    store.save(Stream())
    assert beside(store) == ["pictures"]


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: (path / "val/images.npy").unlink(),
        lambda path: (path / "val/images.npy").write_bytes((path / "val/images.npy").read_bytes()[:-1]),
        lambda path: np.save(path / "val/images.npy", np.zeros((10, 8, 8, 3))),
        lambda path: np.save(path / "val/images.npy", np.zeros((9, 8, 8, 3), np.uint8)),
        lambda path: np.save(path / "val/images.npy", np.array([{}]), allow_pickle=True),
        lambda path: (path / "val/captions.parquet").write_bytes(b"PAR1"),
        lambda path: (path / "summary.json").write_text("{"),
        lambda path: (path / "rejects.csv").unlink(),
    ],
)
def test_damaged_store(store, damage):
    store.save(Stream())
    damage(store.path)
    with pytest.raises(DatasetError, match=r"is damaged .*run `kedro run --pipelines ingestion` again"):
        store.load()


def test_stream_of_uneven_pictures_is_refused(store):
    stream = Stream()
    stream.image = lambda number: np.zeros((8 + number // 30, 8, 3), np.uint8)
    with pytest.raises(DatasetError, match=r"other images .8, 8, 3."):
        store.save(stream)
    assert not store.exists()


def test_it_says_where_the_results_are(store, caplog):
    with caplog.at_level(logging.INFO, "lexipix"):
        store.save(Stream())
    assert [record.message for record in caplog.records if str(store.path) in record.message]
    assert json.loads((store.path / "summary.json").read_text())["n_train"] == 10
