import numpy as np

from lexipix.data.ingestion import captioning as describing
from lexipix.data.ingestion.captioning import captioned
from lexipix.utils.types import Reject, SourceImage


def picture(number, caption=None):
    return SourceImage(f"{number}.png", np.full((8, 8, 3), number, np.uint8), caption)


class Captioner:
    image_size = 8

    def caption(self, images):
        assert images.shape[1:] == (8, 8, 3)
        return [f"picture {image[0, 0, 0]} " if image[0, 0, 0] else " " for image in images]


def test_only_what_lacks_a_caption_is_described_and_the_order_stays(monkeypatch):
    monkeypatch.setattr(describing, "BATCH_SIZE", 3)
    items = [picture(n, f"own {n}" if n % 3 == 1 else None) for n in range(1, 12)]
    items.insert(4, Reject("bad.png", "empty file"))
    found = list(captioned(iter(items), Captioner()))
    assert [item.file for item in found] == [item.file for item in items]
    for item in found:
        if isinstance(item, SourceImage):
            number = int(item.file.partition(".")[0])
            own = number % 3 == 1
            assert item.caption == (f"own {number}" if own else f"picture {number}")
            assert item.caption_source == ("given" if own else "generated")


def test_pictures_of_another_size_are_scaled_for_the_captioner():
    image = SourceImage("5.png", np.full((16, 16, 3), 5, np.uint8))
    (found,) = captioned([image], Captioner())
    assert found.caption == "picture 5" and found.image.shape == (16, 16, 3)


def test_a_picture_of_which_nothing_is_said_stays_without_a_caption():
    assert next(iter(captioned([picture(0)], Captioner()))).caption is None


def test_few_pictures_wait_at_a_time(monkeypatch):
    monkeypatch.setattr(describing, "BATCH_SIZE", 4)
    drawn = []

    def items():
        for number in range(1, 11):
            drawn.append(number)
            yield picture(number, "own")

    assert next(iter(captioned(items(), Captioner()))).file == "1.png"
    assert len(drawn) == 4
