from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from lexipix.reporting.animation import encode_animation, sprite_sheet
from lexipix.utils.alpha import straight


@pytest.fixture
def images():
    """Seven images with alpha and premultiplied colors."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (7, 8, 8, 4), np.uint8)
    images[..., 3] = 255 * (images[..., 3] > 100)
    images[..., :3] = np.minimum(images[..., :3], images[..., 3:])
    return images


def frames_of(content):
    file = Image.open(BytesIO(content))
    frames = []
    for number in range(file.n_frames):
        file.seek(number)
        frames.append(np.asarray(file.convert("RGBA")))
    return np.stack(frames)


def test_webp_keeps_every_pixel(images):
    assert np.array_equal(frames_of(encode_animation(images, "webp")), straight(images))
    opaque = images[..., :3].copy()
    assert np.array_equal(frames_of(encode_animation(opaque, "webp"))[..., :3], opaque)


def test_gif_keeps_alpha_and_about_the_colors(images):
    frames = frames_of(encode_animation(images, "gif"))
    assert frames.shape == images.shape
    assert np.array_equal(frames[..., 3], images[..., 3])
    assert np.abs(frames[..., :3].astype(int) - images[..., :3])[images[..., 3] > 0].mean() < 4


@pytest.mark.parametrize(("kind", "milliseconds"), [("gif", 30), ("webp", 33)])
def test_thirty_images_a_second_without_an_end(images, kind, milliseconds):
    file = Image.open(BytesIO(encode_animation(images, kind)))
    file.seek(1)
    file.load()
    assert file.info["duration"] == milliseconds and file.info["loop"] == 0


def test_a_sprite_sheet_has_the_images_in_rows(images):
    sheet = sprite_sheet(images, 3)
    assert sheet.shape == (24, 24, 4)
    assert np.array_equal(sheet[8:16, 16:], images[5])
    assert np.array_equal(sheet[16:, :8], images[6]) and not sheet[16:, 8:].any()
