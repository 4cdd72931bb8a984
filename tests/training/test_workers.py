"""Workers of a training, two processes of a gloo group, beside one process."""

import pytest
import torch
from tests.support import worker_steps
from tests.support.worker_group import on_workers
from torch import nn

from lexipix.training import workers


def test_two_workers_take_the_steps_of_one_process(tmp_path):
    """Each compares its embeddings with those of the other, and the gradients are averaged."""
    weights, losses = worker_steps.contrastive_weights(4)
    both = on_workers(2, tmp_path / "meet", worker_steps.contrastive_weights, 4)
    assert both[0] == both[1]
    for found, expected in zip(both[0][0], weights, strict=True):
        torch.testing.assert_close(torch.tensor(found), torch.tensor(expected), rtol=1e-4, atol=1e-5)
    assert both[0][1] == pytest.approx(losses, rel=1e-4) and losses[-1] < losses[0]


def test_micro_batches_and_weights_that_a_loss_leaves_out(tmp_path):
    both = on_workers(2, tmp_path / "meet", worker_steps.accumulated_weights)
    assert both[0] == both[1]
    rows = torch.tensor([0, 4, 8, 1, 5, 9])
    expected = worker_steps.accumulated_weights((rows, rows + 2))
    for found, one in zip(both[0], expected, strict=True):
        torch.testing.assert_close(torch.tensor(found), torch.tensor(one), rtol=1e-4, atol=1e-5)


def test_what_workers_tell_each_other(tmp_path):
    first, second = on_workers(2, tmp_path / "meet", worker_steps.talk)
    assert first[:2] == (0, [0, 2, 4, 6, 8, 10]) and second[:2] == (1, [1, 3, 5, 7, 9, 11])
    assert first[2] == second[2] == "said by 0"
    assert first[3] == second[3] == [[1, 1, 0], [1, 1, 0], [1, 1, 1], [1, 1, 1]]
    assert first[4] == second[4] == [[0.5, 0.5], [1.5, 1.5]]


def test_one_process_is_alone():
    rank, rows, said, ids, gathered = worker_steps.talk()
    assert (rank, len(rows), said, ids, gathered) == (0, 12, "said by 0", [[1, 1]] * 2, [[0.5, 0.5]])
    values = torch.randn(2, 3, requires_grad=True)
    assert workers.gather(values) is values and workers.n_workers() == 1


def test_synchronized_batch_norm_keeps_the_weights_of_the_optimizer(monkeypatch):
    monkeypatch.setattr(workers, "n_workers", lambda: 2)
    network = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4))
    before = list(network.parameters())
    workers.synchronize_batch_norm({"network": network})
    assert isinstance(network[1], nn.SyncBatchNorm)
    assert all(one is other for one, other in zip(network.parameters(), before, strict=True))
