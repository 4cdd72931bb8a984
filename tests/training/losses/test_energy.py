import pytest
import torch

from lexipix.training.losses.energy import energy_loss


def test_energy_loss_by_hand():
    real, fake = torch.tensor([[0.0], [2.0]]), torch.tensor([[1.0], [1.0]])
    together = torch.tensor([4, 4])
    # 2 E|x - y| = 2, E|x - x'| = 2, E|y - y'| = 0; real vectors lie 2 apart; the group is the whole batch too
    assert float(energy_loss(real, fake, together)) == pytest.approx(2 * (2 - 2 - 0) / 2)
    assert float(energy_loss(real, real, together)) == pytest.approx(2 * (2 - 2 - 2) / 2)
    assert float(energy_loss(100 * real, 100 * fake + 500, together)) == pytest.approx(2 * (1000 - 200) / 200)


def test_energy_loss_compares_within_groups_and_all_rows():
    real = torch.tensor([[0.0], [1.0], [10.0], [11.0]])
    groups = torch.tensor([0, 0, 1, 1])
    scale = float(torch.cdist(real, real).sum() / 12)
    # Of all rows together, exchanged groups are the same distribution
    apart = torch.cdist(real, real).sum()
    all_rows = 2 * apart / 16 - 2 * apart / 12
    assert float(energy_loss(real, real, groups)) == pytest.approx((2 * 0.5 - 2 * 1 + all_rows) / scale)
    swapped = real[[2, 3, 0, 1]]
    assert float(energy_loss(real, swapped, groups)) == pytest.approx((2 * 10 - 2 * 1 + all_rows) / scale)


def test_rows_alone_in_their_group_count_among_all_rows():
    real = torch.tensor([[0.0], [2.0]])
    fake = torch.tensor([[4.0], [6.0]])
    assert float(energy_loss(real, fake, torch.arange(2))) == pytest.approx((2 * 4 - 2 - 2) / 2)
    assert float(energy_loss(real, fake[[1, 0]], torch.arange(2))) == pytest.approx((2 * 4 - 2 - 2) / 2)


def test_energy_loss_is_least_for_the_distribution_itself():
    generator = torch.Generator().manual_seed(0)
    real, fake = torch.randn(2, 2000, 2, generator=generator)
    one = torch.zeros(2000, dtype=torch.long)
    own = float(energy_loss(real, fake, one))
    assert abs(own) < 0.01
    for other in (0.5 * fake, 2 * fake, fake + 0.5, 0 * fake):
        assert float(energy_loss(real, other, one)) > own + 0.03


def test_energy_loss_pushes_repetitions_apart():
    real = torch.tensor([[-3.0, 0.0], [3.0, 0.0]])
    fake = torch.tensor([[-0.1, 0.0], [0.1, 0.0]], requires_grad=True)
    energy_loss(real, fake, torch.zeros(2, dtype=torch.long)).backward()
    assert fake.grad[0, 0] > 0 > fake.grad[1, 0]
