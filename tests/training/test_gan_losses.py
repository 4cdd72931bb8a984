import math

import pytest
import torch

from lexipix.training.gan_losses import (
    discriminator_loss,
    energy_distance,
    generator_loss,
    gradient_penalty,
    zero_penalty,
)

REAL = torch.tensor([2.0, 0.5])
FAKE = torch.tensor([-3.0, 1.0])


def softplus(x):
    return math.log(1 + math.exp(x))


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("hinge", (0 + 0.5) / 2 + (0 + 2) / 2),
        ("wasserstein", -1.0 - 1.25),
        ("relativistic", (softplus(-5) + softplus(0.5)) / 2),
    ],
)
def test_discriminator_loss_by_hand(kind, expected):
    assert float(discriminator_loss(kind, REAL, FAKE)) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [("hinge", 1.0), ("wasserstein", 1.0), ("relativistic", (softplus(5) + softplus(-0.5)) / 2)],
)
def test_generator_loss_by_hand(kind, expected):
    assert float(generator_loss(kind, REAL, FAKE)) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("kind", ["hinge", "wasserstein"])
def test_only_the_relativistic_generator_looks_at_real_logits(kind):
    assert generator_loss(kind, REAL, FAKE) == generator_loss(kind, -REAL, FAKE)
    assert generator_loss("relativistic", REAL, FAKE) != generator_loss("relativistic", -REAL, FAKE)


@pytest.mark.parametrize("kind", ["hinge", "wasserstein", "relativistic"])
def test_each_side_gains_where_the_other_loses(kind):
    real, fake = (x.clone().requires_grad_() for x in (torch.zeros(3), torch.zeros(3)))
    discriminator_loss(kind, real, fake).backward()
    assert (real.grad < 0).all() and (fake.grad > 0).all()
    fake.grad = None
    generator_loss(kind, real.detach(), fake).backward()
    assert (fake.grad < 0).all()


@pytest.fixture
def pictures():
    return torch.randn(2, 4, 3, 8, 8, generator=torch.Generator().manual_seed(0))


def linear_critic(norm):
    """A critic of two logits, the mean of which has a gradient of the given length everywhere."""
    direction = torch.randn(3, 8, 8, generator=torch.Generator().manual_seed(1))
    direction = (direction * norm / direction.norm()).requires_grad_()

    def judge(images):
        logit = (images * direction).flatten(1).sum(1)
        return torch.stack([0.5 * logit, 1.5 * logit + 4], dim=1)

    return judge, direction


@pytest.mark.parametrize(("norm", "penalty"), [(1.0, 0.0), (3.0, 4.0), (0.5, 0.25)])
def test_gradient_penalty_of_a_linear_critic(pictures, norm, penalty):
    judge, _ = linear_critic(norm)
    assert gradient_penalty(judge, *pictures).item() == pytest.approx(penalty, abs=1e-5)


@pytest.mark.parametrize("norm", [0.5, 3.0])
def test_zero_penalty_of_a_linear_critic(pictures, norm):
    judge, _ = linear_critic(norm)
    assert zero_penalty(judge, pictures[0]).item() == pytest.approx(norm**2, rel=1e-5)


def test_penalties_teach_the_critic_and_nothing_else(pictures):
    judge, direction = linear_critic(3.0)
    real, fake = (part.clone().requires_grad_() for part in pictures)
    (gradient_penalty(judge, real, fake) + zero_penalty(judge, fake)).backward()
    # d/dw of (|w| - 1)^2 + |w|^2 along w, with |w| = 3
    assert float((direction.grad * direction).sum() / 3) == pytest.approx(2 * 2 + 2 * 3, rel=1e-4)
    assert fake.grad is None


def test_gradient_penalty_looks_between_the_pictures():
    seen = []

    def judge(images):
        seen.append(images.detach())
        return images.flatten(1).sum(1, keepdim=True)

    gradient_penalty(judge, torch.zeros(64, 3, 2, 2), torch.ones(64, 3, 2, 2))
    share = seen[0][:, 0, 0, 0]
    assert (seen[0] == share[:, None, None, None]).all()
    assert 0 <= share.min() < 0.2 and 0.8 < share.max() <= 1


def test_energy_distance_by_hand():
    real, fake = torch.tensor([[0.0], [2.0]]), torch.tensor([[1.0], [1.0]])
    together = torch.tensor([4, 4])
    # 2 E|x - y| = 2, E|x - x'| = 2, E|y - y'| = 0; real vectors lie 2 apart
    assert float(energy_distance(real, fake, together)) == pytest.approx((2 - 2 - 0) / 2)
    assert float(energy_distance(real, real, together)) == pytest.approx((2 - 2 - 2) / 2)
    assert float(energy_distance(100 * real, 100 * fake + 500, together)) == pytest.approx((1000 - 200) / 200)


def test_energy_distance_compares_within_groups_alone():
    real = torch.tensor([[0.0], [1.0], [10.0], [11.0], [50.0]])
    groups = torch.tensor([0, 0, 1, 1, 2])
    assert float(energy_distance(real, real, groups)) < 0
    swapped = real[[2, 3, 0, 1, 4]]
    assert float(energy_distance(real, swapped, groups)) > 0.5
    alone = real.clone()
    alone[4] = 1e4  # the only one of its group: there is nothing to tell of its distribution
    assert energy_distance(real, alone, groups) == energy_distance(real, real, groups)
    assert float(energy_distance(real, real, torch.arange(5))) == 0


def test_energy_distance_is_least_for_the_distribution_itself():
    generator = torch.Generator().manual_seed(0)
    real, fake = torch.randn(2, 4000, 2, generator=generator)
    one = torch.zeros(4000, dtype=torch.long)
    own = float(energy_distance(real, fake, one))
    assert abs(own) < 0.01
    for other in (0.5 * fake, 2 * fake, fake + 0.5, 0 * fake):
        assert float(energy_distance(real, other, one)) > own + 0.03


def test_energy_distance_pushes_repetitions_apart():
    real = torch.tensor([[-3.0, 0.0], [3.0, 0.0]])
    fake = torch.tensor([[-0.1, 0.0], [0.1, 0.0]], requires_grad=True)
    energy_distance(real, fake, torch.zeros(2, dtype=torch.long)).backward()
    assert fake.grad[0, 0] > 0 > fake.grad[1, 0]
