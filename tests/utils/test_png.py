import io

import numpy as np
import pytest
from PIL import Image

from lexipix.utils.png import decode_png, encode_png


@pytest.mark.parametrize("shape", [(1, 1, 3), (32, 32, 3), (5, 17, 3), (300, 200, 3)])
def test_a_picture_is_read_back_as_it_was(shape):
    noise = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    smooth = np.broadcast_to(np.arange(shape[1], dtype=np.uint8)[None, :, None], shape)
    for image in (noise, smooth, noise[::-1], np.asfortranarray(noise)):
        with Image.open(io.BytesIO(encode_png(image))) as read:
            read.load()
            assert read.format == "PNG" and read.mode == "RGB"
            assert np.array_equal(np.asarray(read), image)
    assert len(encode_png(smooth)) < smooth.size / 2 or smooth.size < 100


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((4, 4), np.uint8),
        np.zeros((4, 4, 3)),
        np.zeros((4, 4, 2), np.uint8),
        np.zeros((0, 4, 3), np.uint8),
    ],
)
def test_anything_else_is_refused(image):
    with pytest.raises(ValueError, match=r"uint8 \(H, W, 3 or 4\)"):
        encode_png(image)


def test_alpha_is_written_with_the_colors_of_a_file_and_read_back():
    image = np.zeros((4, 4, 4), np.uint8)
    image[:2] = (100, 50, 25, 128)
    with Image.open(io.BytesIO(encode_png(image))) as read:
        assert (
            read.mode == "RGBA"
            and np.abs(np.asarray(read)[0, 0].astype(int) - (199, 100, 50, 128)).max() <= 1
        )
    assert np.array_equal(decode_png(encode_png(image)), image)
