import numpy as np
import pytest

from lexipix.utils.packed_images import PackedImages, pack


@pytest.mark.parametrize("channels", [3, 4])
def test_images_come_back_exactly_in_any_order(channels):
    images = np.random.default_rng(0).integers(0, 256, (5, 16, 16, channels), np.uint8)
    images[1] = 0
    packed = PackedImages(*pack(images), (16, 16, channels))
    rows = np.array([[3, 1], [1, 4]])
    assert np.array_equal(packed[rows], images[rows])
    assert np.array_equal(packed[np.arange(5)], images) and len(packed) == 5


def test_flat_images_take_few_bytes():
    images = np.full((100, 32, 32, 3), 200, np.uint8)
    content, ends = pack(images)
    assert len(content) == ends[-1] < 100 * 100
