import os

import numpy as np
import pytest
from PIL import Image

from lexipix.datasets.sources.image_format import with_found_format
from lexipix.datasets.sources.images import read_image


@pytest.fixture
def found(tmp_path, parameters):
    """The size and the alpha that are found in images of some sizes, a share of them transparent."""

    def go(sizes, transparent=0, **change):
        files = []
        for number, size in enumerate(sizes):
            image = Image.new("RGBA", size, (200, 10, 10, 0 if number < transparent else 255))
            image.save(tmp_path / f"{number}.png")
            files.append(f"{number}.png")
        (tmp_path / "bad.png").write_bytes(b"no image")
        own = parameters(**({"image_size": None, "alpha": "auto"} | change))
        with_format = with_found_format(own, [*files, "bad.png"], lambda name: tmp_path / name)
        return with_format.image_size, with_format.alpha

    return go


@pytest.mark.parametrize(
    ("sizes", "size"), [([(32, 32), (20, 20)], 32), ([(64, 40)] * 3, 64), ([(32, 32)] * 30 + [(64, 64)], 32)]
)
def test_the_size_is_64_where_a_tenth_is_larger_than_32(found, sizes, size):
    assert found(sizes)[0] == size


@pytest.mark.parametrize(("transparent", "alpha"), [(0, "flatten"), (1, "flatten"), (4, "keep")])
def test_alpha_is_kept_where_a_tenth_is_transparent(found, transparent, alpha):
    assert found([(16, 16)] * 20, transparent)[1] == alpha


def test_what_the_user_sets_stays(found):
    assert found([(64, 64)], 1, image_size=128, alpha="flatten") == (128, "flatten")
    assert found([(64, 64)], 1, image_size=128) == (128, "keep")


def test_kept_alpha_has_premultiplied_colors(tmp_path, parameters):
    pixels = np.zeros((16, 16, 4), np.uint8)
    pixels[:8] = (200, 100, 50, 128)
    pixels[8:] = (255, 255, 255, 0)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    read = read_image(tmp_path / "a.png", parameters(alpha="keep"))
    assert read.shape == (16, 16, 4) and (read[:8] == (100, 50, 25, 128)).all() and not read[8:].any()


def test_pixel_art_grows_by_whole_factors_and_is_padded(tmp_path, parameters):
    rng = np.random.default_rng(0)
    art = np.zeros((6, 5, 4), np.uint8)
    art[..., 3] = 255
    art[..., :3] = rng.choice(np.array([0, 90, 255], np.uint8), (6, 5, 3))
    Image.fromarray(art).save(tmp_path / "a.png")
    read = read_image(tmp_path / "a.png", parameters(image_size=16, alpha="keep"))
    assert np.array_equal(read[2:14, 3:13], art.repeat(2, axis=0).repeat(2, axis=1))


def test_an_image_with_a_plain_border_is_padded_with_it_and_another_one_cropped(tmp_path, parameters):
    rng = np.random.default_rng(0)
    photo = rng.integers(0, 256, (40, 80, 3), np.uint8)
    Image.fromarray(photo).save(tmp_path / "photo.png")
    product = np.full((40, 80, 3), (10, 20, 30), np.uint8)
    product[8:32, 8:72] = photo[8:32, 8:72]
    Image.fromarray(product).save(tmp_path / "product.png")
    cropped, padded = (read_image(tmp_path / f"{name}.png", parameters()) for name in ("photo", "product"))
    assert (padded[[0, 1, 2, -1]] == (10, 20, 30)).all()
    assert cropped[0].std() > 10


def test_a_pipe_does_not_hold_up_the_look(tmp_path, parameters):
    os.mkfifo(tmp_path / "pipe.png")
    Image.new("RGB", (64, 64)).save(tmp_path / "a.png")
    own = parameters(image_size=None, alpha="auto")
    assert with_found_format(own, ["pipe.png", "a.png"], lambda name: tmp_path / name).image_size == 64
