import numpy as np
import pytest
from PIL import Image

from lexipix.inference.caption_pipeline import CaptionPipeline
from lexipix.utils.errors import LexipixError


@pytest.fixture
def pipe(toys):
    return CaptionPipeline(toys["captioner_champion"], min_side=8, max_pixels=10_000)


def test_files_arrays_and_pil_images_get_captions(pipe, said, tmp_path):
    Image.new("RGB", (30, 20), "red").save(tmp_path / "red.png")
    images = [tmp_path / "red.png", str(tmp_path / "red.png"), np.zeros((9, 9, 3), np.uint8)]
    assert pipe([*images, Image.new("RGBA", (50, 50))]) == [said] * 4
    assert pipe([]) == []


def test_an_image_is_resized_as_in_training(pipe):
    image = np.zeros((16, 32, 3), np.uint8)
    image[:, 8:24] = 255  # the middle square
    assert pipe.read(image).shape == (16, 16, 3) and (pipe.read(image) == 255).all()


@pytest.mark.parametrize(
    ("size", "said"), [((4, 40), "too small: 4x40 pixels"), ((200, 100), "too large: 200x100 pixels")]
)
def test_files_that_are_too_small_or_too_large_are_refused(pipe, tmp_path, size, said):
    Image.new("RGB", size).save(tmp_path / "image.png")
    with pytest.raises(LexipixError, match=f"image.png cannot be used as an image: {said}"):
        pipe([tmp_path / "image.png"])
