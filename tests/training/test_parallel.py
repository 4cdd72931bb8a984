"""Trainings shared out over micro-batches here, and over two processes that meet by gloo."""

import multiprocessing
import os
import pickle
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.support import parallel_world as made
from tests.support.generator_world import ListStream, MemoryCheckpoints
from tests.support.parallel_world import RUN, trained, weights
from tests.support.project import listen_to_interrupts
from torch import nn

from lexipix.config.training import LaunchParameters
from lexipix.training import launching, loop
from lexipix.training.crew import Crew, _packed
from lexipix.training.parallel import Share
from lexipix.training.tasks import gan
from lexipix.utils.errors import LexipixError

# Sums in another order: a figure near 1 moves in its seventh digit, and one near 0 is compared as such
CURVE = {"rel": 1e-4, "abs": 1e-4}
PAYING = RUN.model_copy(update={"seed": 11})  # two of eight steps pay the GAN's penalty


@pytest.fixture(autouse=True)
def importable(monkeypatch):
    """The other processes import the functions that make their tasks."""
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2]))


@pytest.fixture(autouse=True)
def nothing_left_behind():
    threads = torch.get_num_threads()
    yield
    assert multiprocessing.active_children() == []
    assert not torch.distributed.is_initialized()
    torch.set_num_threads(threads)


def check_same_curve(rows, others, **tolerance):
    assert [seen for seen, _ in rows] == [seen for seen, _ in others]
    for (seen, row), (_, other) in zip(rows, others, strict=True):
        assert row == pytest.approx(other, **(CURVE | tolerance)), seen


TRAININGS = [
    (made.prior, (3, 64)),
    (made.gan_of_its_own, ()),
    (made.gan_with_penalty, ("wasserstein",)),
    (made.steered, ()),
]
IDS = ["prior", "upsampling gan", "wasserstein gan", "steered prior"]


@pytest.mark.parametrize(("make", "arguments"), TRAININGS, ids=IDS)
def test_two_processes_train_like_one(make, arguments):
    one, result_of_one, heard_of_one = trained(make, *arguments, run=PAYING)
    before, store = torch.get_num_threads(), MemoryCheckpoints()
    two, result, heard = trained(make, *arguments, run=PAYING, processes=2, store=store)
    check_same_curve(heard.rows, heard_of_one.rows)
    assert weights(two) == pytest.approx(weights(one), rel=1e-3, abs=1e-3)
    assert result.figures["images_seen"] == result_of_one.figures["images_seen"] == 64
    assert np.abs(result.sheet.astype(int) - result_of_one.sheet).max() <= 2
    assert (len(heard.rows), len(heard.sheets)) == (4, 5), (
        "one process reports; a sheet more is of the beginning"
    )
    assert store.kept is None
    assert torch.get_num_threads() == before


def test_the_penalty_is_paid_in_these_trainings(monkeypatch):
    """Else they would not show that gradients of gradients cross the processes."""
    paid, penalty = [], gan.zero_penalty
    monkeypatch.setattr(gan, "zero_penalty", lambda *images: paid.append(1) or penalty(*images))
    monkeypatch.setattr(loop, "step_flops", lambda *_: 0.0)
    trained(made.gan_with_penalty, "relativistic", run=PAYING)
    assert len(paid) == 4, "for real and for drawn pictures, in two of eight steps"


def test_bf16_trains_alike():
    run = RUN.model_copy(update={"precision": "bf16"})
    _, one, heard_of_one = trained(made.vae, run=run)
    _, two, heard = trained(made.vae, run=run, processes=2, accumulate=2)
    assert one.figures["precision"] == two.figures["precision"] == "cpu/bf16"
    check_same_curve(heard.rows, heard_of_one.rows, rel=1e-2)


@pytest.mark.parametrize(("before", "after"), [(2, 1), (1, 2)])
def test_a_training_is_continued_by_another_number_of_processes(before, after):
    _, _, whole = trained(made.vae)
    store, stopped = MemoryCheckpoints(), ListStream(interrupt_after=3)
    with pytest.raises(KeyboardInterrupt):
        trained(made.vae, processes=before, stream=stopped, store=store)
    assert multiprocessing.active_children() == []
    assert 0 < store.kept[1]["images_seen"] < 64
    task, _, rest = trained(made.vae, processes=after, store=store)
    check_same_curve(rest.rows, [row for row in whole.rows if row[0] >= stopped.rows[-1][0]])
    assert weights(task) == pytest.approx(weights(trained(made.vae)[0]), rel=1e-3, abs=1e-3)


@pytest.mark.parametrize(("make", "arguments"), [(made.vae, ()), (made.prior, (3, 64))], ids=["vae", "prior"])
def test_micro_batches_train_like_a_whole_batch(make, arguments):
    one, _, heard_of_one = trained(make, *arguments)
    for n in (2, 4):
        cut, _, heard = trained(make, *arguments, accumulate=n)
        check_same_curve(heard.rows, heard_of_one.rows)
        assert weights(cut) == pytest.approx(weights(one), rel=1e-3, abs=1e-3)


def test_a_gan_learns_from_micro_batches():
    _, result, _ = trained(made.gan_of_its_own, images=320, accumulate=2)
    anchors = [row["anchor"] for row in result.curves if "anchor" in row]
    assert anchors[-1] < anchors[0]


@pytest.mark.parametrize(
    ("how", "said"), [("killed", "killed from outside"), ("raises", "ValueError: the disk is gone")]
)
def test_a_process_that_dies_ends_the_training_and_is_named(how, said):
    store, start = MemoryCheckpoints(), time.monotonic()
    sentence = rf"The training of toy: process 2 of 2 ended: .*{said}.*The last checkpoint remains"
    with pytest.raises(LexipixError, match=sentence):
        trained(made.dies, 1, how, processes=2, store=store)
    assert time.monotonic() - start < 60
    assert store.kept[1]["images_seen"] == 16


@pytest.mark.skipif(not hasattr(os, "killpg"), reason="a terminal's Ctrl-C goes to a group of processes")
def test_ctrl_c_in_a_terminal_ends_every_process_without_a_word_of_the_others():
    root = Path(__file__).parents[2]
    leader = subprocess.Popen(
        [sys.executable, "-c", "import tests.support.parallel_world as w; w.train_until_stopped()"],
        cwd=root, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
        preexec_fn=listen_to_interrupts,
    )  # fmt: skip
    assert leader.stdout.readline() == "reported\n"
    os.killpg(leader.pid, signal.SIGINT)
    _, said = leader.communicate(timeout=60)
    assert said.strip().endswith("KeyboardInterrupt") and said.count("Traceback") == 1, said
    until = time.monotonic() + 20
    while time.monotonic() < until and group_lives(leader.pid):
        time.sleep(0.05)
    assert not group_lives(leader.pid)


def group_lives(group):
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def test_an_error_of_the_leading_process_keeps_its_kind():
    with pytest.raises(ValueError, match="the disk is gone"):
        trained(made.dies, 0, "raises", processes=2)


@pytest.mark.parametrize(
    ("processes", "n_cores", "said"),
    [
        (2, 1, r"toy\.launch\.processes = 2, but there is 1 CPU core here, .* set it to 1"),
        (5, 4, r"toy\.launch\.processes = 5, but there are 4 CPU cores here, .* set it to 4 or less"),
    ],
)
def test_too_many_processes_are_told(monkeypatch, processes, n_cores, said):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(n_cores)), raising=False)
    monkeypatch.setattr(LaunchParameters, "key", "toy.launch")
    with pytest.raises(LexipixError, match=said):
        trained(made.vae, processes=processes)


def test_too_few_gpus_are_told(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(LexipixError, match="there is 1 CUDA device here"):
        launching._require_room(LaunchParameters(processes=2), "cuda")


def test_pictures_on_disk_are_opened_again_and_not_copied(tmp_path):
    images = np.arange(30_000, dtype=np.uint8).reshape(-1, 5, 2, 3)
    np.save(tmp_path / "images.npy", images)
    mapped = np.load(tmp_path / "images.npy", mmap_mode="r")
    packed = _packed({"images": mapped, "some": mapped[3:5]})
    assert len(packed) < 2_000
    unpacked = pickle.loads(packed)
    assert isinstance(unpacked["images"], np.memmap) and not unpacked["images"].flags.writeable
    assert np.array_equal(unpacked["images"], images) and np.array_equal(unpacked["some"], images[3:5])


# One process, where nothing must happen; and how rows are told apart


def test_alone_everything_is_what_it_was():
    share, rows = Share(), torch.arange(6)
    assert share.own(rows) is rows and share.together(rows) is rows and share.of_turn(rows) is rows
    assert share.told(True) and not share.told(False)
    norm = nn.BatchNorm2d(3)
    share.connect(norm)
    assert "jointly" not in vars(norm)


def test_every_row_has_one_owner():
    rows = torch.arange(24)
    taken = []
    for rank in range(3):
        share = Share(rank, 3, 2)
        for share.turn in range(2):
            own = share.own(rows)
            assert len(own) == share.parts - 2 == 4
            taken += own.tolist()
    assert sorted(taken) == rows.tolist()


def test_numbers_are_those_of_the_whole_batch():
    whole = torch.empty(8, 4, 2, 2).contiguous(memory_format=torch.channels_last)
    torch.manual_seed(0)
    expected = torch.randn_like(whole)
    for rank in range(2):
        share = Share(rank, 2, 2)
        for share.turn in range(2):
            torch.manual_seed(0)
            own = share.own(whole).contiguous(memory_format=torch.channels_last)
            assert torch.equal(share.randn_like(own), share.own(expected))


def test_a_process_that_never_begins_is_told_however_large_its_work(monkeypatch):
    """Where a registered model is loaded, its few modules of ours stand before all others."""
    monkeypatch.setattr(sys, "path", [place for place in sys.path if "site-packages" not in place])
    with pytest.raises(LexipixError, match="process 2 of 2 ended"), Crew("gan") as crew:
        crew.start(print, [(b"0" * 1_000_000,)])
