import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tests.support.toy import RUN, ListStream, MemoryCheckpoints, ToyTask, fast

from lexipix.training.flops import N_TIMED
from lexipix.training.loop import train
from lexipix.training.schedule import learning_rate_factor, progress_since_restart, resample, rows_of_step
from lexipix.utils.errors import LexipixError

COUNTING = 1 + N_TIMED  # steps before the training, whose cost is measured and which leave nothing behind


def do(task, parameters, run, stream, checkpoints, fingerprint="same", **more):
    return train(
        task,
        parameters,
        run,
        name="toy",
        key="toy.training",
        fingerprint=fingerprint,
        stream=stream,
        checkpoints=checkpoints,
        **more,
    )


def timeless(result):
    """The result of a training, without the time it took."""
    curves = [{key: value for key, value in row.items() if key != "seconds"} for row in result.curves]
    measured = ("seconds", "images_per_s", "gflops", "machine_gflops")
    metrics = {k: v for k, v in result.metrics.items() if k not in measured and not k.endswith("_seconds")}
    return curves, metrics


def equal(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[key], b[key]) for key in a)


def test_rates_begin_anew_at_restarts():
    assert [progress_since_restart(x, ()) for x in (0.0, 0.3)] == [0.0, 0.3]
    assert [progress_since_restart(x, (0.5,)) for x in (0.0, 0.25, 0.5, 0.75)] == pytest.approx(
        [0, 0.5, 0, 0.5]
    )
    assert [progress_since_restart(x, (0.0, 0.2)) for x in (0.1, 0.2, 0.6)] == pytest.approx([0.5, 0, 0.5])


def test_a_task_with_restarts_has_its_rates_warmed_up_again():
    task, rates = ToyTask(), []
    task.lr_restarts, step = (0.5,), task.step

    def watched(rows, progress):
        rates.append(task.optimizers["head"].param_groups[0]["lr"])
        return step(rows, progress)

    task.step = watched
    do(task, fast(), RUN, ListStream(), MemoryCheckpoints())
    rates = rates[COUNTING:]
    half = len(rates) // 2
    assert rates[:half] == pytest.approx(rates[half:]) and max(rates[:half]) > 10 * rates[half]


def test_learning_rate_by_hand():
    assert learning_rate_factor(0.0, 0.1) == 0.01  # never quite nothing
    assert learning_rate_factor(0.05, 0.1) == pytest.approx(0.5)
    assert learning_rate_factor(0.1, 0.1) == pytest.approx(1.0)
    assert learning_rate_factor(0.55, 0.1) == pytest.approx(0.01 + 0.99 * 0.5)
    assert learning_rate_factor(1.0, 0.1) == pytest.approx(0.01)


@given(st.integers(1, 40), st.integers(1, 60), st.integers(0, 5), st.integers(0, 2**31 - 1))
def test_every_epoch_sees_every_row_once(batch_size, n_rows, epoch, seed):
    first = epoch * n_rows
    rows = torch.cat([rows_of_step(at, 1, n_rows, seed) for at in range(first, first + n_rows)])
    assert sorted(rows.tolist()) == list(range(n_rows))
    together = rows_of_step(first, batch_size, n_rows, seed)
    assert len(together) == batch_size
    assert together.tolist()[:n_rows] == rows.tolist()[:batch_size]


def test_rows_of_a_batch_over_the_end_of_an_epoch():
    two = [rows_of_step(at, 4, 6, 0).tolist() for at in (0, 4, 8)]
    assert sorted(two[0] + two[1][:2]) == list(range(6))
    assert sorted(two[1][2:] + two[2]) == list(range(6))
    assert rows_of_step(4, 4, 6, 0).tolist() == two[1]
    assert rows_of_step(4, 4, 6, 1).tolist() != two[1]


def test_the_order_of_an_epoch_is_drawn_once_and_is_that_of_numpy(monkeypatch):
    drawn, default_rng = [], np.random.default_rng
    monkeypatch.setattr(np.random, "default_rng", lambda seed: drawn.append(seed) or default_rng(seed))
    rows = torch.cat([rows_of_step(at, 8, 1001, 77) for at in range(0, 3003, 8)])
    assert drawn == [(77, 0), (77, 1), (77, 2), (77, 3)]  # the last step reaches into a fourth epoch
    epochs = [default_rng((77, epoch)).permutation(1001) for epoch in range(4)]
    assert rows.tolist() == np.concatenate(epochs)[: len(rows)].tolist()
    rows_of_step(0, 8, 1001, 77)[:] = -1
    assert rows_of_step(0, 8, 1001, 77).tolist() == rows[:8].tolist(), "a batch is the caller's own"


def test_a_fraction_of_the_rows_evenly_spread_is_drawn_from_the_distribution():
    rows = torch.full((8,), 9)
    cdf = torch.tensor([0.0, 0.25, 0.25, 1.0], dtype=torch.float64)
    drawn = torch.cat([resample(rows, cdf, 0.5, seen, 3) for seen in range(500)])
    assert (drawn[::2] == 9).all()
    counts = drawn[1::2].bincount(minlength=4)
    assert counts[0] == counts[2] == 0 and counts[1] / 2000 == pytest.approx(0.25, abs=0.03)
    assert torch.equal(resample(rows, cdf, 0.5, 7, 3), resample(rows, cdf, 0.5, 7, 3))
    assert torch.equal(resample(rows, cdf, 0.0, 7, 3), rows)
    assert (resample(rows, cdf, 0.25, 7, 3) == 9).sum() == 6


def test_reports_count_images_and_the_best_weights_are_kept():
    task, stream, checkpoints = ToyTask(), ListStream(), MemoryCheckpoints()
    result = do(task, fast(), RUN, stream, checkpoints)
    assert [row["images_seen"] for row in result.curves] == [80, 160, 240, 320, 400]
    assert [seen for seen, _ in stream.rows] == [80, 160, 240, 320, 400]
    assert [(key, seen) for key, seen, _ in stream.images] == [
        ("samples", seen) for seen in (0, *(seen for seen, _ in stream.rows))
    ]
    assert result.curves[-1]["loss"] < result.curves[0]["loss"] / 4
    best = min(row["val_objective"] for row in result.curves)
    assert result.metrics["val_objective"] == best == pytest.approx(task.validate()["objective"])
    assert result.metrics["images_seen"] == 400 and result.metrics["precision"] == "cpu/fp32"
    assert len(task.seen) == COUNTING + 40
    assert checkpoints.kept is None and checkpoints.n_cleared == 1
    assert not any(module.training for module in task.modules.values())


def test_last_weights_are_shipped_where_the_best_are_not_wanted():
    kept, last = ToyTask(), ToyTask()
    for task, keep_best in ((kept, True), (last, False)):
        task.objectives = [3.0, 1.0, 2.0, 5.0, 4.0]
        result = do(task, fast(keep_best=keep_best), RUN, ListStream(), MemoryCheckpoints())
        assert result.metrics["val_objective"] == (1.0 if keep_best else 4.0)
    assert not equal(kept.weights(), last.weights())
    early = ToyTask()
    early.objectives = [3.0, 1.0, 2.0]
    do(early, fast(patience=1), RUN, ListStream(), MemoryCheckpoints())
    assert equal(kept.weights(), early.weights()), "both ship what the second report saw"


def test_nothing_from_before_the_model_learns_is_taken_for_its_best():
    late, best = ToyTask(), ToyTask()
    late.learns_from = 0.4  # two of five reports
    for task, patience in ((late, 2), (best, 0)):
        task.objectives = [1.0, 2.0, 4.0, 3.0, 5.0] if task is late else [5.0, 4.0, 2.0, 1.0, 3.0]
        result = do(task, fast(patience=patience), RUN, ListStream(), MemoryCheckpoints())
    assert result.metrics["val_objective"] == 1.0
    assert equal(late.weights(), best.weights()), "both ship what the fourth report saw"


def test_stops_when_validation_no_longer_improves():
    task = ToyTask()
    task.objectives = [3.0, 1.0, 2.0, 1.5, 0.5]
    result = do(task, fast(patience=2), RUN, ListStream(), MemoryCheckpoints())
    assert result.metrics["stopped_early"] and result.metrics["images_seen"] == 320
    assert result.metrics["val_objective"] == 1.0


def test_same_seed_same_bytes_and_the_global_generator_is_left_alone():
    tasks = [ToyTask(), ToyTask(), ToyTask()]
    torch.manual_seed(11)
    before = torch.get_rng_state()
    results = [
        do(task, fast(), RUN.model_copy(update={"seed": seed}), ListStream(), MemoryCheckpoints())
        for task, seed in zip(tasks, (3, 3, 4), strict=True)
    ]
    assert torch.equal(torch.get_rng_state(), before)
    assert timeless(results[0]) == timeless(results[1])
    assert equal(tasks[0].weights(), tasks[1].weights())
    assert not equal(tasks[0].weights(), tasks[2].weights())


@pytest.mark.parametrize("reports_before", [1, 3, 4])
def test_interrupted_training_goes_on_bit_for_bit(reports_before):
    whole = ToyTask()
    uninterrupted = do(whole, fast(), RUN, ListStream(), MemoryCheckpoints())

    checkpoints = MemoryCheckpoints()
    often = fast(checkpoint_seconds=1e-9)  # after every step; the interrupt comes before that of its own step
    with pytest.raises(KeyboardInterrupt):
        do(ToyTask(), often, RUN, ListStream(reports_before), checkpoints)
    seen = checkpoints.kept[1]["images_seen"]
    assert 0 < seen < 400 and seen % 80, "the checkpoint lies between two reports"

    resumed = ToyTask(learning_rate=0.5)  # even its learning rates come from the checkpoint
    result = do(resumed, often, RUN, ListStream(), checkpoints)
    assert len(resumed.seen) == 40 - seen // 10
    assert timeless(result) == timeless(uninterrupted)
    assert equal(resumed.weights(), whole.weights())


def test_checkpoint_of_another_training_is_not_resumed():
    checkpoints = MemoryCheckpoints()
    with pytest.raises(KeyboardInterrupt):
        do(ToyTask(), fast(checkpoint_seconds=1e-9), RUN, ListStream(2), checkpoints)
    task = ToyTask()
    do(task, fast(), RUN, ListStream(), checkpoints, fingerprint="another")
    assert len(task.seen) == COUNTING + 40


@pytest.mark.parametrize("first", [0, 80])
def test_a_worker_with_another_checkpoint_stops_before_a_step_that_the_others_do_not_take(monkeypatch, first):
    checkpoints = MemoryCheckpoints()
    with pytest.raises(KeyboardInterrupt):
        do(ToyTask(), fast(checkpoint_seconds=1e-9), RUN, ListStream(2), checkpoints)
    seen = checkpoints.kept[1]["images_seen"]
    if first:
        checkpoints.kept, seen = None, 0
    monkeypatch.setattr("lexipix.training.workers.agreed", lambda compute: first)  # what the first one says
    task = ToyTask()
    with pytest.raises(LexipixError, match=rf"A worker starts at {seen} images, the first one at {first}: "):
        do(task, fast(), RUN, ListStream(), checkpoints)
    assert not task.seen


def test_weights_that_nothing_moves_are_not_in_the_checkpoint():
    checkpoints = MemoryCheckpoints()
    with pytest.raises(KeyboardInterrupt):
        do(ToyTask(), fast(checkpoint_seconds=1e-9), RUN, ListStream(2), checkpoints)
    names = checkpoints.kept[0]
    assert any("body.0.weight" in name for name in names)
    assert any("body.1.running_mean" in name for name in names)
    assert not any("fixed." in name for name in names)


def test_loss_that_is_not_finite_stops_with_a_sentence():
    task, checkpoints = ToyTask(), MemoryCheckpoints()
    task.y = task.y * math.inf
    with pytest.raises(
        LexipixError,
        match=r"toy diverged: after 80 images .*loss = .*Lower toy.training.learning_rate = 0.001",
    ):
        do(task, fast(checkpoint_seconds=1e-9), RUN, ListStream(), checkpoints)
    assert checkpoints.n_saved == 0, "a broken state must not be gone on from"
