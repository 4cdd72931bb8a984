import io

import numpy as np
import pytest
from PIL import Image, ImageCms

from lexipix.datasets.sources import color_profiles
from lexipix.datasets.sources.images import read_image

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def swapped_profile():
    """An RGB profile that exchanges red and blue: sRGB with the two columns of the matrix exchanged."""
    content = bytearray(SRGB)
    n_tags = int.from_bytes(content[128:132], "big")
    tags = {bytes(content[132 + 12 * i : 136 + 12 * i]): 132 + 12 * i for i in range(n_tags)}
    red, blue = tags[b"rXYZ"], tags[b"bXYZ"]
    content[red : red + 4], content[blue : blue + 4] = b"bXYZ", b"rXYZ"
    return bytes(content)


@pytest.fixture
def read(tmp_path, parameters):
    def go(image, profile, name="a.png", **change):
        image.save(tmp_path / name, icc_profile=profile)
        return read_image(tmp_path / name, parameters(**change))

    return go


@pytest.mark.parametrize("name", ["a.png", "a.tif", "a.jpg", "a.webp"])
def test_a_profile_that_exchanges_red_and_blue_is_applied(read, name):
    pixels = read(Image.new("RGB", (16, 16), (200, 30, 30)), swapped_profile(), name)
    assert np.abs(pixels.astype(int) - (30, 30, 200)).max() <= 4


def test_alpha_and_palettes_keep_their_shape(read):
    image = Image.new("RGBA", (16, 16), (200, 30, 30, 255))
    image.paste((0, 0, 0, 0), (0, 0, 8, 16))
    pixels = read(image, swapped_profile(), alpha="keep")
    assert not pixels[:, :8].any() and np.abs(pixels[:, 8:].astype(int) - (30, 30, 200, 255)).max() <= 2
    palette = Image.new("RGB", (16, 16), (200, 30, 30)).quantize(4)
    assert np.abs(read(palette, swapped_profile()).astype(int) - (30, 30, 200)).max() <= 2


def test_srgb_leaves_every_pixel_as_it_is(read):
    noise = np.random.default_rng(0).integers(0, 256, (16, 16, 3), np.uint8)
    np.testing.assert_array_equal(read(Image.fromarray(noise), SRGB), noise)


@pytest.mark.parametrize("profile", [b"no profile", SRGB[:200], bytes(2000)])
@pytest.mark.parametrize("mode", ["RGB", "L", "RGBA"])
def test_a_broken_profile_is_ignored_and_noted_once(read, caplog, monkeypatch, profile, mode):
    monkeypatch.setattr(color_profiles, "_noted", {})
    color_profiles._transform.cache_clear()
    image = Image.new("RGB", (16, 16), (200, 30, 30)).convert(mode)
    with caplog.at_level("INFO"):
        first = read(image, profile)
        color_profiles._transform.cache_clear()
        read(image, profile, "b.png")
    np.testing.assert_array_equal(first, np.asarray(image.convert("RGB")))
    assert caplog.text.count("color profile that cannot be used") == 1


def test_a_profile_of_another_kind_of_color_is_ignored(read):
    np.testing.assert_array_equal(read(Image.new("L", (16, 16), 90), SRGB), np.full((16, 16, 3), 90))


def test_an_image_in_memory_is_converted_too():
    image = Image.new("RGB", (16, 16), (200, 30, 30))
    content = io.BytesIO()
    image.save(content, "PNG", icc_profile=swapped_profile())
    converted = np.asarray(color_profiles.to_srgb(Image.open(content)))
    assert np.abs(converted.astype(int) - (30, 30, 200)).max() <= 2
