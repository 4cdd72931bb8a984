import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tests.support.copied_images import saved
from tests.support.toy import RUN, ListStream, MemoryCheckpoints, ToyTask, fast

from lexipix.data.images import ImageRows, Joined, Subset, shard_ends
from lexipix.training import schedule
from lexipix.training.flops import N_TIMED
from lexipix.training.loop import train
from lexipix.training.schedule import rows_of_step

SIZES = st.lists(st.integers(1, 9), min_size=1, max_size=12)


def forget():
    for cached in (schedule._order_of_epoch, schedule._windows, schedule._shuffled):
        cached.cache_clear()


@pytest.fixture
def small_windows(monkeypatch):
    monkeypatch.setattr(schedule, "WINDOW_SHARDS", 3)
    forget()
    yield
    forget()


@given(SIZES, st.integers(1, 40), st.integers(0, 3), st.integers(0, 2**31 - 1))
def test_every_epoch_sees_every_row_of_the_shards_once(sizes, batch_size, epoch, seed):
    ends = tuple(np.cumsum(sizes).tolist())
    n_rows, first = ends[-1], epoch * ends[-1]
    rows = torch.cat([rows_of_step(at, 1, n_rows, seed, ends) for at in range(first, first + n_rows)])
    assert sorted(rows.tolist()) == list(range(n_rows))
    together = rows_of_step(first, batch_size, n_rows, seed, ends)
    assert together.tolist()[:n_rows] == rows.tolist()[:batch_size] and len(together) == batch_size


def test_a_window_holds_all_rows_of_its_shards_and_no_others(small_windows):
    ends = tuple(np.cumsum([5, 7, 5, 5, 6, 5, 5, 4]).tolist())
    of_rows = np.searchsorted(ends, np.arange(ends[-1]), side="right")
    for epoch in range(4):
        rows = rows_of_step(epoch * ends[-1], ends[-1], ends[-1], 7, ends).numpy()
        shards, bounds = schedule._windows(ends, 7, epoch)
        assert sorted(shard for window in shards for shard in window) == list(range(8))
        assert [len(window) for window in shards] == [3, 3, 2] and bounds[-1] == ends[-1]
        for window, some in zip(shards, np.split(rows, bounds[:-1]), strict=True):
            assert set(of_rows[some]) == set(window) and (np.diff(of_rows[some]) != 0).sum() > len(window)
    first = [schedule._windows(ends, seed, epoch)[0] for seed, epoch in ((7, 0), (7, 1), (8, 0))]
    assert first[0] != first[1] and first[0] != first[2]


def test_the_order_depends_on_seed_and_position_only(small_windows):
    ends = tuple(range(4, 60, 4))
    steps = {at: rows_of_step(at, 5, 56, 3, ends).tolist() for at in range(0, 160, 5)}
    for at in np.random.default_rng(0).permutation(list(steps)):
        forget()
        assert rows_of_step(int(at), 5, 56, 3, ends).tolist() == steps[at]


def test_a_window_is_shuffled_once(small_windows, monkeypatch):
    seeds, default_rng = [], np.random.default_rng
    monkeypatch.setattr(np.random, "default_rng", lambda seed: seeds.append(seed) or default_rng(seed))
    ends = tuple(range(100, 1300, 100))
    for at in range(0, 1200, 7):
        rows_of_step(at, 7, 1200, 0, ends)
    windows = [(0, 0, schedule.WINDOWS, window) for window in range(4)]
    assert [seed for seed in seeds if seed[1] == 0] == [(0, 0, schedule.SHARDS), *windows]


def test_rows_in_no_shards_keep_their_order():
    assert rows_of_step(3, 4, 9, 5).tolist() == np.random.default_rng((5, 0)).permutation(9)[3:7].tolist()


def test_where_the_shards_of_images_end(tmp_path):
    images = saved(tmp_path / "store", shard_rows=40).load().train.images
    ends = images.shard_ends.tolist()
    assert shard_ends(images) == tuple(ends) and len(ends) > 3
    kept = np.flatnonzero(np.arange(len(images)) % 3)
    assert shard_ends(Subset(images, kept)) == tuple(int((kept < end).sum()) for end in ends)
    assert shard_ends(Subset(images, np.arange(3))) == (3,)
    assert shard_ends(Subset(images, kept[::-1])) == (len(kept),)
    array = np.asarray(images)
    others = Subset(array, np.arange(5))
    assert not any(shard_ends(one) for one in (array, others, Joined([array, others])))
    assert shard_ends(Joined([others, images])) == (5, *(5 + end for end in ends))


def test_a_training_reads_shards_in_windows_and_resumes_none_of_others(tmp_path):
    class ShardTask(ToyTask):
        def __init__(self, shard_rows):
            super().__init__()
            images = saved(tmp_path / str(shard_rows), shard_rows=shard_rows).load().train.images
            self.images = ImageRows(Subset(images, np.arange(self.n_rows)), torch.device("cpu"))

    def go(task, checkpoints, stream):
        parameters, names = fast(checkpoint_seconds=1e-9), {"name": "toy", "key": "toy", "fingerprint": "f"}
        return train(task, parameters, RUN, **names, stream=stream, checkpoints=checkpoints)

    task, fingerprints = ShardTask(16), []
    ends = task.shard_ends
    assert len(ends) > 2
    go(task, MemoryCheckpoints(), ListStream())
    batch = len(task.seen[-1])
    expected = [rows_of_step(at * batch, batch, task.n_rows, RUN.seed, ends).tolist() for at in range(3)]
    first = 1 + N_TIMED  # the steps before measure what a step costs
    assert task.seen[first : first + 3] == expected
    for shard_rows in (16, 16, 24):
        checkpoints = MemoryCheckpoints()
        with pytest.raises(KeyboardInterrupt):
            go(ShardTask(shard_rows), checkpoints, ListStream(interrupt_at=2))
        fingerprints.append(checkpoints.load()[1]["fingerprint"])
    assert fingerprints[0] == fingerprints[1] != fingerprints[2] and fingerprints[0].startswith("f-")
