import math

import pytest
import torch

from lexipix.models.discriminator import DiscriminatorLogits
from lexipix.training.losses.gan import (
    discriminator_loss,
    generator_loss,
    gradient_penalty,
    sum_head_losses,
    zero_centered_penalty,
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
def image_splits():
    return torch.randn(2, 4, 3, 8, 8, generator=torch.Generator().manual_seed(0))


def linear_critic(norm):
    """A critic of two logits, the mean of which has a gradient of the given length everywhere."""
    direction = torch.randn(3, 8, 8, generator=torch.Generator().manual_seed(1))
    direction = (direction * norm / direction.norm()).requires_grad_()

    def critic(images):
        logit = (images * direction).flatten(1).sum(1)
        return torch.stack([0.5 * logit, 1.5 * logit + 4], dim=1)

    return critic, direction


@pytest.mark.parametrize(("norm", "penalty"), [(1.0, 0.0), (3.0, 4.0), (0.5, 0.25)])
def test_gradient_penalty_of_a_linear_critic(image_splits, norm, penalty):
    critic, _ = linear_critic(norm)
    assert gradient_penalty(critic, *image_splits).item() == pytest.approx(penalty, abs=1e-5)


@pytest.mark.parametrize("norm", [0.5, 3.0])
def test_zero_centered_penalty_of_a_linear_critic(image_splits, norm):
    critic, _ = linear_critic(norm)
    assert zero_centered_penalty(critic, image_splits[0]).item() == pytest.approx(norm**2, rel=1e-5)


def test_penalties_teach_the_critic_and_nothing_else(image_splits):
    critic, direction = linear_critic(3.0)
    real, fake = (part.clone().requires_grad_() for part in image_splits)
    (gradient_penalty(critic, real, fake) + zero_centered_penalty(critic, fake)).backward()
    # d/dw of (|w| - 1)^2 + |w|^2 along w, with |w| = 3
    assert float((direction.grad * direction).sum() / 3) == pytest.approx(2 * 2 + 2 * 3, rel=1e-4)
    assert fake.grad is None


def test_gradient_penalty_looks_between_the_pictures():
    seen = []

    def critic(images):
        seen.append(images.detach())
        return images.flatten(1).sum(1, keepdim=True)

    gradient_penalty(critic, torch.zeros(64, 3, 2, 2), torch.ones(64, 3, 2, 2))
    share = seen[0][:, 0, 0, 0]
    assert (seen[0] == share[:, None, None, None]).all()
    assert 0 <= share.min() < 0.2 and 0.8 < share.max() <= 1


def test_every_head_counts_alike_whatever_it_sees():
    few, many = torch.full((2, 4), 3.0), torch.full((2, 64), 1.0)
    real, fake = (
        DiscriminatorLogits(torch.zeros(2, 2), (few, many)),
        DiscriminatorLogits(torch.full((2, 2), 0.5), (many, few)),
    )
    # hinge: -fake, averaged over the places of each head and then over the heads
    found = sum_head_losses(generator_loss, "hinge", real, fake)
    assert found.item() == pytest.approx(-0.5 - (1.0 + 3.0) / 2)


@pytest.mark.parametrize("kind", ["hinge", "wasserstein", "relativistic"])
def test_rows_that_do_not_count_have_no_say(kind):
    real, wrong = REAL[:, None].expand(2, 3), FAKE[:, None].expand(2, 3)
    counted = torch.tensor([True, False])
    assert discriminator_loss(kind, real, wrong, counted) == discriminator_loss(kind, real[:1], wrong[:1])
    assert float(discriminator_loss(kind, real, wrong, torch.zeros(2, dtype=torch.bool))) == 0
