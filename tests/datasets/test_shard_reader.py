import json
import os
import pickle

import numpy as np
import pytest
from kedro.io import DatasetError
from pandas.testing import assert_frame_equal
from tests.support.copied_images import SIZE, comparable, saved, stream

from lexipix.data.images import Subset, shard_ends
from lexipix.datasets import image_store, shard_reader
from lexipix.datasets.image_store import RemoteImageStoreDataset
from lexipix.datasets.tables import ParquetDataset
from lexipix.utils.errors import LexipixError
from lexipix.utils.types import SPLITS


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return saved(tmp_path_factory.mktemp("sharded") / "store", shard_rows=40)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return saved(tmp_path_factory.mktemp("whole") / "store").load()


INDICES = [
    0, -1, np.int64(5), slice(None), slice(3, 90, 7), slice(5, 5), np.arange(150, 20, -3),
    np.array([7, 7, 0, 7]), [1, -2], [], np.zeros((2, 0), np.int64), np.array([[3, 60], [100, 3]]),
]  # fmt: skip


@pytest.mark.parametrize("rows", INDICES, ids=str)
def test_shards_are_indexed_as_one_array_is(store, whole, rows):
    images, array = store.load().train.images, np.asarray(whole.train.images)
    rows_of_array = np.asarray(rows, np.int64) if isinstance(rows, list) else rows
    found = images[rows]
    np.testing.assert_array_equal(found, array[rows_of_array])
    assert found.dtype == np.uint8 and found.shape == array[rows_of_array].shape
    mask = np.arange(len(array)) % 5 == 0
    np.testing.assert_array_equal(images[mask], array[mask])


def test_shards_look_like_one_array(store, whole):
    images, n_images = store.load().train.images, len(whole.train)
    assert (len(images), images.shape, images.dtype) == (n_images, (n_images, SIZE, SIZE, 3), np.uint8)
    np.testing.assert_array_equal(np.asarray(images), whole.train.images)
    assert np.stack(list(images)).shape == images.shape
    for wrong in (len(images), -len(images) - 1, [0, 1000]):
        with pytest.raises(IndexError, match="no image"):
            images[wrong]


def test_few_shards_of_a_store_are_open_at_a_time(store, monkeypatch):
    monkeypatch.setattr(shard_reader, "MAX_OPEN", 2)
    splits = store.load()
    images = splits.train.images
    assert images[:].sum() > 0 and len(images.shard_ends) > 3 and splits.val.images[:].sum() > 0
    assert splits.val.images._open is images._open and images._open.cache_info().currsize == 2
    first = images._open(images._shards[0])
    assert isinstance(first, np.memmap) and not first.flags.writeable


def test_shards_cross_to_another_process_without_their_content(store, whole):
    images = store.load().train.images
    images[:]  # all of them are open
    wire = pickle.dumps(Subset(images, np.arange(3)))
    found = pickle.loads(wire).images
    assert len(wire) < images[:].nbytes and found.shape == images.shape
    np.testing.assert_array_equal(found[:], whole.train.images)


def test_a_folder_whose_name_looks_like_a_pattern(tmp_path, whole):
    store = saved(tmp_path / "a[1]" / "store", shard_rows=40)
    found = store.load()
    np.testing.assert_array_equal(found.train.images[:], whole.train.images)
    assert_frame_equal(comparable(found.test.captions), whole.test.captions)
    (store.path / "shards.json").unlink()
    with pytest.raises(DatasetError) as error:
        store.load()
    assert "shards.json is missing, which is written last" in str(error.value.__cause__)


def test_a_worker_knows_a_store_from_the_one_that_it_replaced(tmp_path):
    """Also where one worker of Ray outlives a run."""
    for rows in (40, 20, None):
        expected = saved(tmp_path / "store", shard_rows=rows).load()
        found = pickle.loads(pickle.dumps(expected))
        assert shard_ends(found.train.images) == shard_ends(expected.train.images)
        np.testing.assert_array_equal(found.train.images[:], expected.train.images[:])


def test_the_captions_of_shards_are_a_table_that_can_be_saved(store, whole, tmp_path):
    """As `captions_complete` is."""
    dataset = ParquetDataset(filepath=str(tmp_path / "captions.parquet"))
    dataset.save(store.load().train.captions)
    assert_frame_equal(comparable(dataset.load()), whole.train.captions)


def test_an_empty_split(tmp_path):
    assert len(saved(tmp_path / "store", shard_rows=50).load().pairs.captions) == 0


def cut(path):
    path.write_bytes(path.read_bytes()[:-1])


def edit(path, change):
    manifest = json.loads(path.read_text())
    change(manifest)
    path.write_text(json.dumps(manifest))


def unlist(manifest):
    del manifest["splits"]["val"]


def rename(manifest):
    manifest["splits"]["train"][0]["images"]["name"] = "../../etc/passwd"


def miscount(manifest):
    manifest["splits"]["train"][0]["rows"] = 7


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda path: (path / "shards.json").unlink(), "shards.json is missing, which is written last"),
        (lambda path: (path / "shards.json").write_text("{"), "shards.json: Invalid JSON"),
        (lambda path: edit(path / "shards.json", dict.clear), "shards.json: image_shape: Field required"),
        (lambda path: edit(path / "shards.json", unlist), "its splits are train, test, pairs instead of"),
        (lambda path: edit(path / "shards.json", rename), "train.0.images.name: String should match"),
        (lambda path: edit(path / "shards.json", miscount), "train/images-00000.npy has "),
        (lambda path: cut(path / "train/images-00001.npy"), "train/images-00001.npy has "),
        (lambda path: (path / "val/captions-00001.parquet").unlink(), "captions-00001.parquet is missing"),
        (lambda path: (path / "summary.json").write_text("{"), "Expecting property name"),
    ],
)  # fmt: skip
def test_a_damaged_store_is_told_in_one_sentence(tmp_path, damage, said):
    store = saved(tmp_path / "store", shard_rows=40)
    damage(store.path)
    with pytest.raises(DatasetError) as error:
        store.load()
    sentence = str(error.value.__cause__)
    assert isinstance(error.value.__cause__, LexipixError) and said in sentence and "\n" not in sentence
    assert sentence.endswith("delete it and run `kedro run --pipelines ingestion` again.")


def test_a_shard_that_is_gone_or_another_later_is_told_in_one_sentence(tmp_path):
    store = saved(tmp_path / "store", shard_rows=40)
    images = store.load().train.images
    np.save(store.path / "train/images-00000.npy", np.zeros((3, SIZE, SIZE, 3), np.uint8))
    with pytest.raises(LexipixError, match=r"00.npy cannot be read .it holds uint8 .3, 8, 8, 3. instead"):
        images[0]
    (store.path / "train/images-00001.npy").unlink()
    with pytest.raises(LexipixError, match=r"images-00001.npy cannot be read .*No such file"):
        images[40]


@pytest.fixture(scope="module")
def s3(store):
    """Address of the store, copied to an S3-compatible server on this machine."""
    import s3fs
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            patch.delenv(name)
        host, port = server.get_host_and_port()
        patch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
        patch.setenv("AWS_ACCESS_KEY_ID", "a-key-of-ours")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "a-secret-of-ours")
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        try:
            fs = s3fs.S3FileSystem()
            fs.mkdir("shards")  # the bucket of no other test: moto keeps one account for a whole process
            fs.put(f"{store.path}/", "shards/images/", recursive=True)
            yield fs
        finally:
            server.stop()


def test_a_store_on_s3_is_read_by_ranges(s3, whole, monkeypatch):
    found = RemoteImageStoreDataset(filepath="s3://shards/images").load()
    for split in SPLITS:
        assert_frame_equal(comparable(found[split].captions), whole[split].captions)
        assert len(found[split]) == len(whole[split])
    assert dict(found.summary) == dict(whole.summary) and found.rejects.equals(whole.rejects)
    images, ranges = found.train.images, []
    cat_ranges = images._fs.cat_ranges

    def watched(paths, starts, ends, **more):
        ranges.extend(zip(paths, starts, ends, strict=True))
        return cat_ranges(paths, starts, ends, **more)

    monkeypatch.setattr(images._fs, "cat_ranges", watched)
    rows = np.array([60, 5, 6, 7, 5, 150])
    np.testing.assert_array_equal(images[rows], whole.train.images[rows])
    assert [end - start for _, start, end in ranges] == [3 * 192, 192, 192], "neighbours are one range"
    np.testing.assert_array_equal(images[:], whole.train.images)
    assert images[[]].shape == (0, SIZE, SIZE, 3)


def test_a_store_on_s3_that_is_incomplete_is_told_in_one_sentence(s3):
    s3.pipe("shards/half/train/images-00000.npy", b"half")
    for address, said in (
        ("s3://shards/half", "shards.json is missing"),
        ("s3://nowhere/images", "shards.json is missing"),
        ("s4://shards/images", "Protocol not known: s4"),
    ):
        with pytest.raises(DatasetError) as error:
            RemoteImageStoreDataset(filepath=address).load()
        sentence = str(error.value.__cause__)
        assert isinstance(error.value.__cause__, LexipixError) and said in sentence and "\n" not in sentence
        assert sentence.startswith(f"The images at {address} cannot be read")


def to_s3(tmp_path, name, staging=True):
    folder = str(tmp_path / "staging") if staging else None
    return RemoteImageStoreDataset(filepath=f"s3://shards/{name}", staging=folder)


def test_an_ingestion_is_moved_to_s3(s3, whole, tmp_path):
    remote = to_s3(tmp_path, "moved")
    assert not remote.exists()
    s3.pipe("shards/moved/train/images-00099.npy", b"of an earlier store")
    remote.save(stream(shard_rows=40))
    assert remote.exists() and not (tmp_path / "staging").exists()
    found = remote.load()
    for split in SPLITS:
        np.testing.assert_array_equal(found[split].images[:], whole[split].images)
    assert not s3.exists("shards/moved/train/images-00099.npy")


def test_an_upload_that_is_cut_short_leaves_no_manifest(s3, tmp_path, monkeypatch):
    remote, sent = to_s3(tmp_path, "cut"), []
    remote.save(stream(shard_rows=40))
    fs, _ = image_store._place_of(remote.path)
    put_file = fs.put_file

    def failing(source, target, **more):
        if len(sent) == 3:
            raise OSError("the connection is lost")
        sent.append(target)
        put_file(source, target, **more)

    with monkeypatch.context() as patch:
        patch.setattr(fs, "put_file", failing)
        with pytest.raises(DatasetError) as error:
            remote.save(stream(shard_rows=40))
    said = str(error.value.__cause__)
    assert "cannot be written to s3://shards/cut (the connection is lost)" in said and "\n" not in said
    assert not remote.exists()
    with pytest.raises(DatasetError, match=r"shards\.json is missing"):
        remote.load()
    remote.save(stream(shard_rows=40))
    assert remote.exists()


@pytest.mark.parametrize(
    ("staging", "shard_rows", "said"),
    [(False, 40, "set staging of image_splits"), (True, None, "shard_rows = null")],
)
def test_what_a_store_on_s3_needs_is_said_before_the_ingestion(tmp_path, staging, shard_rows, said):
    with pytest.raises(DatasetError) as error:
        to_s3(tmp_path, "no", staging).save(stream(shard_rows=shard_rows))
    assert said in str(error.value.__cause__) and not (tmp_path / "staging").exists()
