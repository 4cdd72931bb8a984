import pytest
import torch

from lexipix.inference.latent_optimization import optimize_latent

N = 6  # pictures of 48 numbers from 6


@pytest.fixture(params=range(3))
def line(request):
    """A linear decoder, and a picture it can nearly make."""
    torch.manual_seed(request.param)
    weights = torch.randn(N, 48)
    wanted = (torch.randn(1, N) @ weights + 0.1 * torch.randn(1, 48)).view(1, 3, 4, 4)
    return weights, (lambda points: (points @ weights).view(-1, 3, 4, 4)), wanted


@pytest.fixture
def bent():
    """A decoder that is far from linear."""
    torch.manual_seed(1)
    weights = torch.randn(N, 48)
    return lambda points: torch.sin(3 * points @ weights).view(-1, 3, 4, 4)


def differences(decode, start, wanted, steps):
    found = optimize_latent(decode, start, wanted, steps)
    return torch.stack([(wanted - image).square().sum() for image, _ in found])


def test_a_linear_decoder_is_solved_in_as_many_steps_as_there_are_numbers(line):
    weights, decode, wanted = line
    solution = torch.linalg.lstsq(weights.T, wanted.flatten(1).T).solution  # (N, 1)
    by_hand = (wanted.flatten(1) - solution.T @ weights).square().sum()
    found = differences(decode, torch.randn(1, N) * 0.1, wanted, 3 * N)
    assert torch.allclose(found[-1], by_hand, rtol=1e-3)
    assert found[N] < 1.5 * by_hand, "the steps' lengths and directions are the right ones"


def test_the_first_picture_is_the_starts_own_and_points_belong_to_their_pictures(line):
    _, decode, wanted = line
    start = torch.randn(1, N)
    steps = list(optimize_latent(decode, start, wanted, 2))
    assert len(steps) == 3
    assert torch.equal(steps[0][1], start) and torch.equal(steps[0][0], decode(start))
    assert torch.allclose(steps[2][0], decode(steps[2][1]))


@pytest.mark.parametrize("seed", range(3))
def test_a_step_never_makes_a_picture_worse(bent, seed):
    torch.manual_seed(seed)
    wanted = bent(torch.randn(1, N))
    found = differences(bent, torch.randn(1, N), wanted, 25)
    assert (found[1:] <= found[:-1]).all()
    assert found[-1] < 0.8 * found[0]


def test_no_point_leaves_its_ball(line):
    _, decode, wanted = line
    for _, point in optimize_latent(decode, 0.1 * torch.randn(1, N), 20 * wanted, 8, max_norm=2.0):
        assert point.norm() <= 2.0 + 1e-5


def test_what_is_perfect_stays(line):
    _, decode, _ = line
    start = torch.randn(1, N)
    *_, (image, point) = optimize_latent(decode, start, decode(start), 3)
    assert torch.equal(point, start) and torch.equal(image, decode(start))


def test_weights_that_are_fixed_get_no_gradient(line):
    _, _, wanted = line
    layer = torch.nn.Linear(N, 48).requires_grad_(False)
    *_, (_, point) = optimize_latent(lambda some: layer(some).view(-1, 3, 4, 4), torch.zeros(1, N), wanted, 2)
    assert layer.weight.grad is None and not point.requires_grad
