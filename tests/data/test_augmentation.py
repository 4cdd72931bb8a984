import pytest
import torch

from lexipix.data import augmentation as diffaugment
from lexipix.data.augmentation import augment

NAMES = ["color", "translation", "cutout", "jitter"]


@pytest.fixture
def images():
    return torch.rand(6, 3, 16, 16, generator=torch.Generator().manual_seed(0)) * 2 - 1


@pytest.fixture(autouse=True)
def fixed_draws():
    torch.manual_seed(1)


@pytest.mark.parametrize("policy", [*([name] for name in NAMES), NAMES])
def test_shapes_stay_and_gradients_flow(images, policy):
    images.requires_grad_()
    changed = augment(images, policy)
    assert changed.shape == images.shape
    assert not torch.equal(changed, images)
    changed.square().sum().backward()
    assert (images.grad.flatten(1).abs().sum(1) > 0).all()


def test_jitter_without_any_change_is_the_picture(images, monkeypatch):
    draws = iter([torch.full((6, 1, 1, 1), value) for value in (0.0, 1.0, 0.0, 0.0, 1.0, 1.0, 0.0)])
    monkeypatch.setattr(diffaugment, "_draw", lambda *_: next(draws))
    torch.testing.assert_close(augment(images, ["jitter"]), images, atol=1e-5, rtol=0)


def test_jitter_moves_by_a_part_of_the_side(images, monkeypatch):
    draws = iter([torch.full((6, 1, 1, 1), value) for value in (0.0, 1.0, 0.125, 0.0, 1.0, 1.0, 0.0)])
    monkeypatch.setattr(diffaugment, "_draw", lambda *_: next(draws))
    moved = augment(images, ["jitter"])
    torch.testing.assert_close(moved[..., :15], images[..., 1:], atol=1e-5, rtol=0)


def test_no_policy_changes_nothing(images):
    assert augment(images, []) is images


def test_each_picture_has_its_own_draw(images):
    same = images[:1].expand(6, -1, -1, -1)
    for name in NAMES:
        assert len(torch.unique(augment(same, [name]), dim=0)) > 1, name


@pytest.mark.parametrize(("down", "right"), [(0, 0), (2, 2), (4, 2), (1, 4)])
def test_translation_by_known_offsets(images, monkeypatch, down, right):
    offsets = torch.tensor([down, right])[:, None, None].expand(2, 6, 1)
    monkeypatch.setattr(diffaugment.torch, "randint", lambda *_, **__: offsets)
    moved = augment(images, ["translation"])
    # 16 pixels reach 2 pixels far; an offset of 2 stays, pixels from outside are 0
    dy, dx = down - 2, right - 2
    expected = torch.zeros_like(images)
    for y in range(16):
        for x in range(16):
            if 0 <= y + dy < 16 and 0 <= x + dx < 16:
                expected[:, :, y, x] = images[:, :, y + dy, x + dx]
    assert torch.equal(moved, expected)


def test_cutout_blanks_a_square_around_the_drawn_center(images, monkeypatch):
    centers = torch.tensor([8, 1])[:, None, None].expand(2, 6, 1)
    monkeypatch.setattr(diffaugment.torch, "randint", lambda *_, **__: centers)
    cut = augment(images, ["cutout"])
    expected = images.clone()
    expected[:, :, 5:12, 0:5] = 0  # less than 4 pixels from row 8 and column 1
    assert torch.equal(cut, expected)


def test_color_moves_the_mean_by_the_brightness_alone(images, monkeypatch):
    draws = iter([torch.full((6, 1, 1, 1), value) for value in (0.25, 0.0, 0.5)])
    monkeypatch.setattr(diffaugment, "_draw", lambda *_: next(draws))
    changed = augment(images, ["color"])
    torch.testing.assert_close(changed.mean((1, 2, 3)), images.mean((1, 2, 3)) + 0.25)
    # No saturation: grey; half the contrast: half the spread of the grey picture
    torch.testing.assert_close(changed.std(1), torch.zeros(6, 16, 16), atol=1e-6, rtol=0)
    torch.testing.assert_close(changed[:, 0].std((1, 2)), images.mean(1).std((1, 2)) / 2)


def test_neutral_color_draws_change_nothing(images, monkeypatch):
    draws = iter([torch.full((6, 1, 1, 1), value) for value in (0.0, 1.0, 1.0)])
    monkeypatch.setattr(diffaugment, "_draw", lambda *_: next(draws))
    torch.testing.assert_close(augment(images, ["color"]), images)
