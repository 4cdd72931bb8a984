import numpy as np
import pytest
from PIL import Image

from lexipix.utils.alpha import on_checkerboard, opaque, premultiplied, straight


@pytest.fixture
def files():
    """Colors as files hold them, with every alpha."""
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (3, 16, 16, 4), np.uint8)
    pixels[0, ..., 3] = np.arange(256).reshape(16, 16)
    return pixels


def test_over_a_background_it_is_as_pillow_composites_it(files):
    for background in (0, 255):
        behind = Image.new("RGBA", (16, 16), (background,) * 3 + (255,))
        expected = np.asarray(Image.alpha_composite(behind, Image.fromarray(files[1])).convert("RGB"))
        found = opaque(premultiplied(files[1]), background)
        assert np.abs(found.astype(int) - expected).max() <= 1


def test_colors_under_alpha_zero_do_not_count(files):
    files[..., 3] = 0
    assert not premultiplied(files).any() and not straight(premultiplied(files)).any()
    assert (opaque(premultiplied(files)) == 255).all()


def test_files_come_back_as_exactly_as_their_alpha_allows(files):
    again = straight(premultiplied(files))
    assert np.array_equal(again[..., 3], files[..., 3])
    solid = files[..., 3] == 255
    assert np.array_equal(again[solid], files[solid])
    seen = files[..., 3] > 0
    error = np.abs(again.astype(int) - files)[..., :3].max(-1)
    assert (error[seen] <= np.ceil(128 / files[..., 3][seen])).all()


def test_images_without_alpha_stay_as_they_are(files):
    plain = files[..., :3]
    for change in (opaque, on_checkerboard, straight, premultiplied):
        assert change(plain) is plain


def test_transparency_shows_as_a_checkerboard():
    board = on_checkerboard(np.zeros((2, 16, 16, 4), np.uint8))
    assert board.shape == (2, 16, 16, 3) and set(np.unique(board)) == {221, 255}
    assert (board[:, :8, :8] == 255).all() and (board[:, :8, 8:] == 221).all()
