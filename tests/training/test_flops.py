import time

import pytest
import torch
from tests.support.parameters import section
from tests.support.toy import ToyTask

from lexipix.training.flops import step_cost
from lexipix.training.precision import Precision

# Forward and backward of the linear layers 4-8, 8-8, 8-1 per row; the first needs no gradient of its input,
# the second none of its fixed weight... which is counted, since the weight asks for one
PER_ROW = 2 * (2 * 4 * 8 + 3 * 8 * 8 + 3 * 8 * 1)


def flops(task):
    return step_cost(task, 10, section("run", {"device": "cpu"}), Precision(torch.device("cpu"), False)).flops


def test_a_linear_network_by_hand():
    assert flops(ToyTask()) == PER_ROW


def test_phases_count_by_their_length():
    task = ToyTask()
    task.phases, progress = (0.0, 0.25, 0.25), []
    step = task.step

    def half(rows, at):
        progress.append(at)
        return step(rows, at) if at else {"loss": torch.zeros(())}

    task.step = half
    assert flops(task) == pytest.approx(0.75 * PER_ROW)
    assert sorted(set(progress)) == [0.0, 0.25]


def test_the_task_is_left_unchanged():
    task, untouched = ToyTask(), ToyTask()
    flops(task)
    assert task.seen, "it took a real step"
    for key, value in untouched.weights().items():
        assert torch.equal(task.weights()[key], value), key
    assert not any(optimizer.state for optimizer in task.optimizers.values())
    assert all(weight.grad is None for module in task.modules.values() for weight in module.parameters())
    assert all(module.training for module in task.modules.values())


def test_workers_share_the_time_of_a_step(monkeypatch):
    """A step of 10 images on two workers takes as long as one of 5 on each."""
    monkeypatch.setattr("lexipix.training.workers.n_workers", lambda: 2)
    monkeypatch.setattr("lexipix.training.workers.rank", lambda: 1)
    task, step = ToyTask(), ToyTask.step

    def slow(rows, at):
        time.sleep(0.02)
        return step(task, rows, at)

    task.step = slow
    cost = step_cost(task, 10, section("run", {"device": "cpu"}), Precision(torch.device("cpu"), False))
    assert len(task.seen[0]) == 5 and cost.flops == PER_ROW
    assert 0.002 <= cost.seconds < 0.0035


def test_the_time_is_that_of_an_average_step():
    task = ToyTask()
    task.phases = (0.0, 0.5)
    step = task.step

    def slow(rows, at):
        time.sleep(0.04 if at else 0.01)
        return step(rows, at)

    task.step = slow
    cost = step_cost(task, 10, section("run", {"device": "cpu"}), Precision(torch.device("cpu"), False))
    assert 0.0025 <= cost.seconds < 0.004
