import base64
import io
import re

import numpy as np
from PIL import Image

from lexipix.inference.prompt_checks import UnknownWord
from lexipix.play import fragments
from lexipix.utils.alpha import straight

HOSTILE = "<script>alert('x')</script>\"&"


def test_a_picture_keeps_every_pixel_and_its_alpha():
    pixels = np.random.default_rng(0).integers(0, 256, (8, 8, 4), np.uint8)
    pixels[..., :3] = np.minimum(pixels[..., :3], pixels[..., 3:])
    content = fragments.data_uri(pixels).removeprefix("data:image/png;base64,")
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(base64.b64decode(content)))), straight(pixels))


def test_no_text_from_outside_becomes_a_tag():
    pieces = [
        fragments.note(HOSTILE), fragments.problem(HOSTILE), fragments.warning(HOSTILE),
        fragments.sentence(HOSTILE), fragments.suggestions([HOSTILE]),
        fragments.picture(np.zeros((8, 8, 3), np.uint8), HOSTILE),
        fragments.marked(HOSTILE, [UnknownWord("alert", (HOSTILE,))]),
        fragments.download("/picture.png", {"prompt": HOSTILE}, HOSTILE, HOSTILE),
    ]  # fmt: skip
    for piece in pieces:
        assert "<script" not in piece and "alert" in piece
        assert not re.search(r"""=["'][^"'<>]*["'][^ >/]""", piece), "no attribute ends early"


def test_unknown_words_are_marked_wherever_they_are():
    piece = fragments.marked("A Zebra, a zebra!", [UnknownWord("zebra", ("horse",))])
    assert piece.count("<mark") == 2 and piece.count('data-known="horse"') == 2
    assert ">Zebra</mark>" in piece


def test_unknown_characters_of_a_language_without_spaces_are_marked():
    assert ">鸭</mark>" in fragments.marked("红色的鸭子", [UnknownWord("鸭", ())])
