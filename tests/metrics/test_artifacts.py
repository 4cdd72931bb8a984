import numpy as np
import pytest

from lexipix.metrics.artifacts import flat_ripple, ghost_index, period_power


@pytest.fixture
def real():
    """A grey square on white, and noise."""
    images = np.full((2, 32, 32, 3), 255, np.uint8)
    images[0, 8:24, 8:24] = 100
    images[1] = np.random.default_rng(0).integers(0, 256, (32, 32, 3))
    return images


def checkerboard(images, levels):
    rows, columns = np.indices(images.shape[1:3])
    sign = np.where((rows + columns) % 2, levels, -levels)[..., None]
    return np.clip(images.astype(int) + sign, 0, 255).astype(np.uint8)


def test_ripple_is_measured_on_flat_areas_that_are_not_white(real):
    assert flat_ripple(real, real) == 0
    assert flat_ripple(checkerboard(real, 3), real) == pytest.approx(
        6
    )  # neighbours differ by twice the levels
    outside = real.copy()
    outside[:, :6] = 0  # white background there
    assert flat_ripple(outside, real) == 0
    assert flat_ripple(real[1:], real[1:]) is None


def test_period_power_tells_a_grid_from_blur(real):
    assert period_power(real, real) == {period: pytest.approx(1) for period in (2, 4, 8)}
    assert period_power(checkerboard(real, 20), real)[2] > 1.05
    blurred = ((real.astype(int) + np.roll(real, 1, 1) + np.roll(real, 1, 2)) // 3).astype(np.uint8)
    assert period_power(blurred, real)[2] < 0.5
    assert period_power(real[:1] * 0, real[:1] * 0) == {}


def test_ghosts_are_what_stands_on_the_background(real):
    assert ghost_index(real[:1], real[:1]) == 0
    ghost = real[:1].copy()
    ghost[:, :4] = 205
    assert ghost_index(ghost, real[:1]) == pytest.approx(50 * 128 / (1024 - 256))
    assert ghost_index(real[1:], real[1:]) is None
