import numpy as np
import pytest
from PIL import Image

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


def test_an_image_of_another_size_is_refused_before_it_is_decoded(monkeypatch):
    packed, ends = pack([np.zeros((64, 64, 3), np.uint8)])
    monkeypatch.setattr(Image.Image, "convert", None)
    with pytest.raises(ValueError, match="the packed image 0 is damaged: it has 64x64 pixels"):
        PackedImages(packed, ends, (16, 16, 3))[np.array([0])]


@pytest.mark.parametrize("change", [lambda packed: packed[:-20], np.zeros_like])
def test_damaged_bytes_are_a_value_error(change):
    packed, ends = pack([np.full((16, 16, 3), value, np.uint8) for value in (3, 200)])
    with pytest.raises(ValueError, match=r"damaged|beyond their bytes"):
        PackedImages(change(packed), ends, (16, 16, 3))[np.array([1])]
