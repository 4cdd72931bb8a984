import pytest
import torch

from lexipix.training.tasks.base import micro_batches, optimizer_step


def test_every_row_is_in_one_micro_batch_and_strides_keep_the_order():
    rows = torch.arange(8)
    assert [part.tolist() for part in micro_batches(rows, 2)] == [[0, 2, 4, 6], [1, 3, 5, 7]]
    (whole,) = micro_batches(rows, 1)
    assert torch.equal(whole, rows)


@pytest.mark.parametrize("clip", [None, 0.5])
def test_micro_batches_move_the_weights_as_a_whole_batch_does(clip):
    x, found = torch.randn(12, 3, generator=torch.Generator().manual_seed(0)), []
    for steps in (1, 2, 4):
        weight = torch.nn.Parameter(torch.ones(3))
        optimizer = torch.optim.SGD([weight], 0.1)

        def losses(rows, weight=weight):
            loss = (x[rows] @ weight).square().mean()
            return loss, {"loss": loss, "rows": torch.tensor(len(rows))}

        metrics = optimizer_step(optimizer, losses, micro_batches(torch.arange(12), steps), clip=clip)
        assert metrics["rows"] == 12 / steps and not metrics["loss"].requires_grad
        found.append((float(metrics["loss"]), *weight.tolist()))
    assert found[1] == pytest.approx(found[0]) and found[2] == pytest.approx(found[0])


def test_gradients_of_an_earlier_step_are_cleared_and_clipping_bounds_the_step():
    weight = torch.nn.Parameter(torch.zeros(1))
    weight.grad = torch.full((1,), 100.0)
    optimizer = torch.optim.SGD([weight], 1.0)
    optimizer_step(optimizer, lambda _: (-3 * weight.sum(), {"loss": weight.sum()}), [None], clip=0.5)
    assert float(weight) == pytest.approx(0.5, rel=1e-4)
