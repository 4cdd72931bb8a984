import struct
import zlib

import numpy as np
import pytest
from PIL import Image
from tests.support.parameters import section

from lexipix.datasets.sources.images import (
    _TURNS,
    Unusable,
    formats,
    masked_to_square,
    read_image,
    suffixes,
    to_square,
)

RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)


@pytest.fixture
def read(parameters, tmp_path):
    """Saves a Pillow image and reads it back; keywords beginning with an underscore go to the parameters."""

    def go(image, name="a.png", **options):
        change = {key[1:]: options.pop(key) for key in list(options) if key.startswith("_")}
        image.save(tmp_path / name, **options)
        return read_image(tmp_path / name, parameters(**change))

    return go


def quarters(size=16):
    """Red, green over blue, white."""
    pixels = np.zeros((size, size, 3), np.uint8)
    half = size // 2
    pixels[:half, :half], pixels[:half, half:], pixels[half:, :half], pixels[half:, half:] = (
        RED,
        GREEN,
        BLUE,
        WHITE,
    )
    return Image.fromarray(pixels)


@pytest.mark.parametrize("name", ["a.png", "a.bmp", "a.tif", "a.tga", "a.ppm", "a.pcx", "a.sgi"])
def test_lossless_formats_come_back_exactly(read, name):
    np.testing.assert_array_equal(read(quarters(), name), np.asarray(quarters()))


def test_lossless_webp(read):
    np.testing.assert_array_equal(read(quarters(), "a.webp", lossless=True), np.asarray(quarters()))


@pytest.mark.parametrize("name", ["a.jpg", "a.jp2", "a.avif"])
def test_lossy_formats_come_close(read, name):
    if name.rpartition(".")[2] not in {suffix[1:] for suffix in suffixes()}:
        pytest.skip("this Pillow cannot read it")
    difference = np.abs(read(quarters(), name, quality=95).astype(int) - np.asarray(quarters()))
    assert np.median(difference) < 8


def test_the_content_counts_not_the_ending(read):
    np.testing.assert_array_equal(read(quarters(), "a.jpg", format="PNG"), np.asarray(quarters()))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("name", ["a.png", "a.tif", "a.jpg", "a.webp"])
@pytest.mark.parametrize("fit", ["crop", "pad"])
def test_exif_orientation_is_applied(read, orientation, name, fit):
    # Stored pixels for "shown upright it is the quarters", by the EXIF standard's table.
    undo = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    stored = quarters(32).transpose(undo[orientation]) if orientation > 1 else quarters(32)
    exif = Image.Exif()
    exif[0x0112] = orientation
    image = read(
        stored, name, exif=exif, _resize={"fit": fit}, **({"quality": 95} if name != "a.tif" else {})
    )
    for row, column, color in ((3, 3, RED), (3, 12, GREEN), (12, 3, BLUE), (12, 12, WHITE)):
        assert np.abs(image[row, column].astype(int) - color).max() < 12


def test_damaged_exif_does_not_matter(read):
    image = read(quarters(), "a.png", exif=b"Exif\0\0MM\0*\xff\xff\xff\xff")
    np.testing.assert_array_equal(image, np.asarray(quarters()))


def test_transparency_is_laid_on_the_background(read):
    pixels = np.zeros((16, 16, 4), np.uint8)
    pixels[:8] = (255, 0, 0, 255)
    pixels[8:] = (0, 255, 0, 0)  # green, but invisible
    image = read(Image.fromarray(pixels), _resize={"background": [10, 20, 30]})
    assert (image[:8] == RED).all() and (image[8:] == (10, 20, 30)).all()


def test_half_transparency_is_mixed(read):
    pixels = np.full((16, 16, 4), (200, 100, 0, 128), np.uint8)
    image = read(Image.fromarray(pixels), _resize={"background": [0, 0, 0]})
    assert np.abs(image.astype(int) - (100, 50, 0)).max() <= 1


def test_invisible_colors_do_not_bleed_when_resized(read):
    pixels = np.zeros((64, 64, 4), np.uint8)
    pixels[:, :32] = (255, 0, 0, 255)
    pixels[:, 32:] = (0, 255, 0, 0)
    image = read(Image.fromarray(pixels), _resize={"background": [255, 0, 0]})
    assert image[..., 1].max() <= 2


@pytest.mark.parametrize("mode", ["1", "L", "P", "LA", "CMYK", "RGBX", "YCbCr"])
def test_color_modes(read, mode):
    grey = Image.new("RGB", (16, 16), WHITE)
    grey.paste((0, 0, 0), (0, 0, 8, 16))
    name = {"CMYK": "a.tif", "RGBX": "a.tif", "YCbCr": "a.tif"}.get(mode, "a.png")
    image = read(grey.convert(mode), name)
    np.testing.assert_array_equal(image, np.asarray(grey))


def test_palette_with_transparent_color(read):
    image = Image.new("P", (16, 16), 0)
    image.putpalette([0, 0, 0, 255, 0, 0])
    image.paste(1, (0, 0, 8, 16))
    pixels = read(image, transparency=0, _resize={"background": [1, 2, 3]})
    assert (pixels[:, :8] == RED).all() and (pixels[:, 8:] == (1, 2, 3)).all()


def test_rgb_with_transparent_color(read):
    pixels = read(quarters(), transparency=RED, _resize={"background": [1, 2, 3]})
    assert (pixels[0, 0] == (1, 2, 3)).all() and (pixels[0, 15] == GREEN).all()


@pytest.mark.parametrize("name", ["a.png", "a.tif"])
def test_16_bit_grey_is_scaled(read, name):
    values = np.linspace(0, 65535, 256).round().astype(np.uint16).reshape(16, 16)
    image = read(Image.fromarray(values), name)
    expected = np.rint(values / 257).astype(np.uint8)
    np.testing.assert_array_equal(image, np.repeat(expected[..., None], 3, axis=2))


@pytest.mark.parametrize(("peak", "dtype"), [(1.0, np.float32), (255, np.float32), (65535, np.int32)])
def test_wide_grey_of_plain_range(read, peak, dtype):
    values = np.linspace(0, peak, 256).reshape(16, 16).astype(dtype)
    image = read(Image.fromarray(values), "a.tif")
    assert np.abs(image[..., 0].reshape(-1).astype(int) - np.arange(256)).max() <= 1


def test_wide_grey_of_unknown_range_is_unusable(read):
    with pytest.raises(Unusable, match="from -5 to 3e\\+06 have no clear range"):
        read(Image.fromarray(np.array([[-5, 3e6]] * 8, np.float32).repeat(4, 1)), "a.tif")


def test_lab_is_unusable(read):
    with pytest.raises(Unusable, match="LAB"):
        read(Image.new("LAB", (16, 16)), "a.tif")


@pytest.mark.parametrize("name", ["a.gif", "a.webp", "a.png", "a.tif"])
def test_first_frame_of_animations(read, name):
    frames = [Image.new("RGB", (16, 16), color) for color in (RED, GREEN, BLUE)]
    options = {"lossless": True} if name == "a.webp" else {}
    image = read(frames[0], name, save_all=True, append_images=frames[1:], **options)
    assert (image == RED).all()


def test_crop_keeps_the_middle(read):
    wide = Image.new("RGB", (48, 16), BLUE)
    wide.paste(RED, (16, 0, 32, 16))
    crop = {"_resize.fit": "crop"}
    assert (read(wide, **crop) == RED).all()
    assert (read(wide.rotate(90, expand=True), **crop) == RED).all()


def test_pad_keeps_everything(read):
    wide = Image.new("RGB", (32, 16), RED)
    image = read(wide, _resize={"fit": "pad", "background": [0, 0, 255]})
    assert (image[:4] == BLUE).all() and (image[4:12] == RED).all() and (image[12:] == BLUE).all()
    line = read(Image.new("RGB", (400, 4), RED), _resize={"fit": "pad", "background": [0, 0, 255]})
    assert (line == RED).all(axis=2).sum() == 16


def test_small_pictures_are_enlarged_and_nearest_keeps_edges():
    parameters = section("ingestion.resize", {"filter": "nearest"})
    image = to_square(quarters(4), 16, parameters)
    np.testing.assert_array_equal(image, np.asarray(quarters(16)))


def test_nearest_makes_no_new_colors_from_large_pictures():
    rng = np.random.default_rng(0)
    stripes = np.where(rng.random((200, 200, 1)) < 0.5, 0, 255).astype(np.uint8).repeat(3, 2)
    image = to_square(Image.fromarray(stripes), 16, section("ingestion.resize", {"filter": "nearest"}))
    assert set(np.unique(image)) <= {0, 255}


def test_large_pictures_are_averaged():
    checks = (np.indices((512, 512)).sum(0) % 2 * 255).astype(np.uint8)
    image = to_square(Image.fromarray(checks), 16, section("ingestion.resize"))
    assert np.abs(image.astype(int) - 127).max() <= 2


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty file"),
        (b"This is a text that somebody named like a picture.", "not an image in a known format"),
        (b"\x89PNG\r\n\x1a\n", "cut short|not an image"),
        (b"\xff\xd8\xff\xe0" + bytes(40), "damaged or cut short|not an image"),
        (b"GIF89a" + bytes(3), "damaged or cut short|not an image"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "not an image in a known format"),
    ],
)
def test_what_is_no_picture(tmp_path, parameters, content, reason):
    path = tmp_path / "a.png"
    path.write_bytes(content)
    with pytest.raises(Unusable, match=reason):
        read_image(path, parameters())


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.gif", "a.bmp", "a.tif", "a.webp"])
@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
def test_truncated_files(tmp_path, parameters, make_picture, name, share):
    path = make_picture(tmp_path / name, size=(64, 64))
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(Unusable, match=r"damaged or cut short|not an image"):
        read_image(path, parameters())


def test_altered_png(tmp_path, parameters, make_picture):
    path = make_picture(tmp_path / "a.png", size=(64, 64))
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(Unusable, match="damaged or cut short"):
        read_image(path, parameters())


def png_that_claims(width, height):
    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = zlib.compress(bytes(1000))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


@pytest.mark.parametrize("side", [6_000, 11_000, 60_000])
def test_decompression_bomb_is_not_decoded(tmp_path, parameters, side):
    path = tmp_path / "bomb.png"
    path.write_bytes(png_that_claims(side, side))
    with pytest.raises(Unusable, match=r"too large: .*ingestion.max_pixels, 25000000"):
        read_image(path, parameters())


def test_bomb_in_a_text_chunk(tmp_path, parameters):
    path = tmp_path / "bomb.png"
    text = b"zTXt" + b"k\0\0" + zlib.compress(bytes(100 * 2**20))
    chunk = struct.pack(">I", len(text) - 4) + text + struct.pack(">I", zlib.crc32(text))
    good = png_that_claims(16, 16)
    path.write_bytes(good[:33] + chunk + good[33:])
    with pytest.raises(Unusable, match="Decompressed data too large"):
        read_image(path, parameters())


def test_too_small(read):
    with pytest.raises(Unusable, match=r"too small: 5x3 pixels, ingestion\.min_side is 4"):
        read(Image.new("RGB", (5, 3)))


def test_missing_file_and_folder(tmp_path, parameters):
    with pytest.raises(Unusable, match="the file does not exist"):
        read_image(tmp_path / "a.png", parameters())


def test_large_jpeg_is_read_at_a_smaller_scale(read, monkeypatch):
    from PIL import JpegImagePlugin

    scales = []
    draft = JpegImagePlugin.JpegImageFile.draft
    monkeypatch.setattr(
        JpegImagePlugin.JpegImageFile,
        "draft",
        lambda self, *args: (draft(self, *args), scales.append(self.size))[0],
    )
    image = read(quarters(512), "a.jpg", quality=95)
    assert scales == [(64, 64)]
    assert np.abs(image[4, 4].astype(int) - RED).max() < 12


def test_formats_and_endings():
    assert "EPS" not in formats() and "PNG" in formats()
    assert {".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp", ".tif", ".tiff"} <= suffixes()
    assert not {".eps", ".pdf", ".txt"} & suffixes()


def resize(**changes):
    return section("ingestion.resize", changes)


def square_mask(size, box, mode="L", color=255):
    mask = Image.new(mode, size)
    mask.paste(color, box)
    return mask


def marked(mask, image=None, size=16, **changes):
    return masked_to_square(image or quarters(), mask, size, resize(**changes))[1]


def test_at_the_final_size_image_and_mask_stay():
    pixels, hole = masked_to_square(quarters(), square_mask((16, 16), (2, 3, 7, 5)), 16, resize())
    expected = np.zeros((16, 16), bool)
    expected[3:5, 2:7] = True
    assert np.array_equal(hole, expected)
    assert np.array_equal(pixels[~hole], np.asarray(quarters())[~hole])


@pytest.mark.parametrize(
    ("mode", "color"), [("1", 1), ("RGB", (255, 255, 255)), ("RGBA", (255, 255, 255, 255)), ("I;16", 65535)]
)
def test_masks_of_all_modes_mark_the_same(mode, color):
    box = (2, 3, 7, 5)
    assert np.array_equal(marked(square_mask((16, 16), box, mode, color)), marked(square_mask((16, 16), box)))


def test_dark_and_transparent_pixels_mark_nothing():
    for mode, color in (("L", 127), ("RGBA", (255, 255, 255, 0)), ("RGBA", (255, 255, 255, 90))):
        assert not marked(square_mask((16, 16), (2, 3, 7, 5), mode, color)).any()


@pytest.mark.parametrize("fit", ["crop", "pad", "auto"])
@pytest.mark.parametrize("filter", ["auto", "lanczos", "box", "nearest"])
@pytest.mark.parametrize("shape", [(90, 60), (60, 90), (12, 8)])
@pytest.mark.parametrize("channels", [3, 4])
def test_what_an_image_has_under_a_mask_changes_nothing(fit, filter, shape, channels):
    height, width = shape
    y, x = np.mgrid[:height, :width]
    levels = (2 * y + x) % 200 if max(shape) < 20 else y + x
    pixels = np.repeat(levels[..., None], channels, axis=2).astype(np.uint8)
    if channels == 4:
        pixels[..., 3] = 255 - x
    hole = np.zeros(shape, bool)
    hole[height // 3 : height // 2, width // 3 : width // 2 + 1] = True
    contents = [pixels, 255 - pixels, np.random.default_rng(0).integers(0, 256, pixels.shape, np.uint8)]
    parameters, mask = resize(fit=fit, filter=filter), Image.fromarray(hole)
    pictures = [Image.fromarray(np.where(hole[..., None], one, pixels)) for one in contents]
    found = [masked_to_square(picture, mask, 32, parameters, channels == 4) for picture in pictures]
    intact, kept = to_square(pictures[0], 32, parameters, channels == 4), ~found[0][1]
    assert 0.3 < kept.mean() < 1
    for image, own in found:
        assert np.array_equal(image, found[0][0]) and np.array_equal(own, ~kept)
        assert np.abs(image[kept].astype(int) - intact[kept]).max() <= 4


def test_transparent_images_keep_what_is_known():
    image = square_mask((16, 16), (0, 0, 8, 16), "RGBA", (90, 60, 30, 128))
    pixels, hole = masked_to_square(image, square_mask((16, 16), (2, 3, 7, 5)), 16, resize(), True)
    assert np.array_equal(pixels[~hole], to_square(image, 16, resize(), True)[~hole])


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_mask_is_that_of_the_upright_image(orientation):
    """Image and mask may each be stored turned, as a camera does it."""
    shape = np.zeros((16, 24), bool)
    shape[2:6, 5:12] = True
    noise = np.random.default_rng(0).integers(0, 256, (16, 24, 3), np.uint8)
    stored_by = {5: 5, 6: 8, 7: 7, 8: 6}.get(orientation, orientation)  # the turn that this one takes back

    def stored(image):
        turned = image if stored_by == 1 else image.transpose(_TURNS[stored_by])
        turned.getexif()[0x0112] = orientation
        return turned

    parameters = resize(fit="pad", filter="nearest")
    expected = masked_to_square(Image.fromarray(noise), Image.fromarray(shape), 24, parameters)
    assert expected[1].sum() == shape.sum()
    for mask in (Image.fromarray(shape), stored(Image.fromarray(shape))):
        pixels, hole = masked_to_square(stored(Image.fromarray(noise)), mask, 24, parameters)
        assert np.array_equal(pixels, expected[0]) and np.array_equal(hole, expected[1])


def test_a_mask_of_everything_marks_everything():
    assert marked(Image.new("L", (16, 16), 255)).all()


def test_a_mask_of_another_size_is_unusable():
    with pytest.raises(Unusable, match="image and mask have 16x16 and 8x16 pixels"):
        marked(Image.new("L", (8, 16)))
