import pytest
import torch
from torch import nn

from lexipix.training.checkpoint_state import cloned
from lexipix.training.state import ExponentialMovingAverage


def test_average_by_hand():
    module = nn.Linear(1, 1, bias=False)
    with torch.no_grad():
        module.weight.fill_(0.0)
    averages = ExponentialMovingAverage({"m": module}, halflife_fraction=0.5)
    with torch.no_grad():
        module.weight.fill_(1.0)
    averages.update(images_seen=20, batch_size=10)  # half-life 10 images, one batch: half the way
    assert averages.weights["m.weight"].item() == pytest.approx(0.5)
    averages.update(images_seen=40, batch_size=10)  # half-life 20: 1 - 2 ** -0.5 of the rest
    assert averages.weights["m.weight"].item() == pytest.approx(1 - 0.5 * 0.5**0.5)


def test_applied_inside_and_undone_outside():
    module = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2)).train()
    averages = ExponentialMovingAverage({"m": module}, 0.1)
    averaged = cloned(averages.weights)
    with torch.no_grad():
        module[0].weight.add_(1.0)
        module[1].num_batches_tracked.add_(3)
    live = {key: value.clone() for key, value in module.state_dict().items()}
    with averages.applied():
        assert not module.training
        assert torch.equal(module[0].weight, averaged["m.0.weight"])
        assert module[1].num_batches_tracked == 0
    assert module.training
    assert all(torch.equal(value, live[key]) for key, value in module.state_dict().items())
    averages.update(10, 10)
    assert averages.weights["m.1.num_batches_tracked"] == 3, "whole numbers are copied"


def test_applied_is_undone_after_an_error():
    module = nn.Linear(1, 1)
    averages = ExponentialMovingAverage({"m": module}, 0.1)
    with torch.no_grad():
        module.weight.fill_(7.0)
    with pytest.raises(KeyboardInterrupt), averages.applied():
        raise KeyboardInterrupt
    assert module.weight.item() == 7.0


def test_fixed_weights_have_no_average():
    averages = ExponentialMovingAverage({"m": nn.Linear(1, 1)}, 0.1, frozenset({"m.weight"}))
    assert set(averages.weights) == {"m.bias"}
