import os
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image
from tests.support.parameters import section

from lexipix.cli.files import read_image_file, read_masked_image, read_prompts, text_beside
from lexipix.utils.errors import LexipixError

INGESTION = section("ingestion")
MODEL = SimpleNamespace(image_size=16, image_channels=3)


def test_an_image_is_resized_to_the_size_of_the_model(tmp_path):
    Image.new("RGB", (64, 48), (255, 0, 0)).save(tmp_path / "red.jpg")
    image = read_image_file(tmp_path / "red.jpg", section("ingestion"), MODEL)
    assert image.shape == (16, 16, 3) and image.dtype == np.uint8
    assert image[..., 0].min() > 250


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("words.txt", b"a red circle", "not an image in a known format"),
        ("empty.png", b"", "empty file"),
        ("cut.png", b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR", "cannot be used as an image"),
    ],
)
def test_a_file_that_is_no_image_is_an_error(tmp_path, name, content, told):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(LexipixError, match="cannot be used as an image") as caught:
        read_image_file(tmp_path / name, section("ingestion"), MODEL)
    assert told in str(caught.value)


def test_a_missing_image_and_a_folder_are_errors(tmp_path):
    with pytest.raises(LexipixError, match="the file does not exist"):
        read_image_file(tmp_path / "no.png", section("ingestion"), MODEL)
    with pytest.raises(LexipixError, match="is a folder: name"):
        read_image_file(tmp_path, section("ingestion"), MODEL)


def test_text_beside_an_image(tmp_path):
    picture = tmp_path / "star.png"
    assert text_beside(picture, INGESTION) is None
    (tmp_path / "star.txt").write_bytes("\ufeffein großer\r\n Stern \n".encode())
    assert text_beside(picture, INGESTION) == ("ein großer Stern", "star.txt")
    (tmp_path / "star.txt").write_text(" \n")
    assert text_beside(picture, INGESTION) is None
    (tmp_path / "star.txt").write_bytes(b"caf\xe9")
    with pytest.raises(
        LexipixError, match=r"star.png has a text that cannot be used, its caption file star.txt is not"
    ):
        text_beside(picture, INGESTION)
    assert text_beside(tmp_path / "star.txt", INGESTION) is None  # a text is not its own description


@pytest.mark.parametrize("name", ["star.json", "star.png.json", "STAR.PNG.json"])
def test_a_record_beside_an_image_is_its_text(tmp_path, name):
    (tmp_path / name).write_text('{"caption": ["a red star", "a star"]}')
    assert text_beside(tmp_path / "star.png", INGESTION) == ("a red star", name)
    (tmp_path / "star.txt").write_text("a blue star")
    assert text_beside(tmp_path / "star.png", INGESTION) == ("a blue star", "star.txt")


def test_a_record_without_a_caption_field_is_an_error(tmp_path):
    (tmp_path / "star.json").write_text('{"url": "x"}')
    with pytest.raises(LexipixError, match=r"star\.json has no field 'text' .*or use --text"):
        text_beside(tmp_path / "star.png", INGESTION)
    own = section("ingestion", {"source": {"folder": {"caption_field": "url"}}})
    assert text_beside(tmp_path / "star.png", own) == ("x", "star.json")


def test_metadata_and_files_of_other_images_are_no_text(tmp_path):
    (tmp_path / "metadata.json").write_text('{"text": "x"}')
    assert text_beside(tmp_path / "metadata.png", INGESTION) is None
    (tmp_path / "Star.png").touch()
    (tmp_path / "Star.txt").write_text("another star")
    assert text_beside(tmp_path / "star.png", INGESTION) is None


def test_prompts_are_the_non_blank_lines(tmp_path):
    file = tmp_path / "prompts.txt"
    file.write_bytes(b"\xef\xbb\xbfa red circle\r\n\r\n  a blue star \n\n")
    assert read_prompts(file, 2) == [(1, "a red circle"), (3, "a blue star")]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "is empty: write one prompt per line"),
        (b" \n\t\n", "is empty: write one prompt per line"),
        (b"a red circle\n\xff\xfe", r"is not UTF-8 text \(line 2\)"),
        (b"x" * 30_000, "is too large for a text"),
    ],
)
def test_wrong_files_of_prompts(tmp_path, content, told):
    file = tmp_path / "prompts.txt"
    file.write_bytes(content)
    with pytest.raises(LexipixError, match=told):
        read_prompts(file, 2)


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_cannot_be_read_is_an_error(tmp_path):
    file = tmp_path / "prompts.txt"
    file.write_text("a")
    file.chmod(0)
    with pytest.raises(LexipixError, match="cannot be read: check the file's permissions"):
        read_prompts(file, 2)


def test_a_mask_marks_pixels_of_the_upright_image(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (16, 32, 3), np.uint8)
    turned = Image.fromarray(pixels)
    turned.getexif()[0x0112] = 6  # a camera that was held upright
    turned.save(tmp_path / "photo.png", exif=turned.getexif())
    mask = Image.new("L", (16, 32))
    mask.paste(255, (0, 8, 4, 12))  # top left of the middle square
    mask.save(tmp_path / "mask.png")
    parameters = section("ingestion", {"resize.fit": "crop"})
    read, marked = read_masked_image(tmp_path / "photo.png", tmp_path / "mask.png", parameters, MODEL)
    whole = read_image_file(tmp_path / "photo.png", parameters, MODEL)
    assert np.array_equal(read[~marked], whole[~marked])
    assert marked[:4, :4].all() and marked.sum() == 16
