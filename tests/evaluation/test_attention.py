import numpy as np
import pytest
from tokenizers import Tokenizer

from lexipix.data.tokenization import encode, train_tokenizer
from lexipix.evaluation.attention import attention_arrays, attention_sheet, word_spans
from lexipix.reporting.contact_sheet import MARGIN

TOKENIZER = train_tokenizer(["a small red star"] * 3 + ["ein Käse"], 275)


@pytest.mark.parametrize("text", ["a small red star", "unheard words, twice", "käse", ""])
def test_words_of_a_caption_and_their_tokens(text):
    ids = encode(TOKENIZER, [text], 60)[0].tolist()
    spans = word_spans(TOKENIZER, [*ids, 0, 0])
    assert [word for word, _ in spans] == text.split()
    assert [start for _, (start, _) in spans] == [0, *(end for _, (_, end) in spans)][: len(spans)]
    assert (spans[-1][1][1] if spans else 0) == len(ids) - 1, "EOS is no word"


def test_a_script_without_spaces_is_split_into_characters():
    tokenizer = train_tokenizer(["紅い星"] * 3, 300)
    spans = word_spans(tokenizer, encode(tokenizer, ["紅い星"], 20)[0].tolist())
    assert "".join(word for word, _ in spans) == "紅い星"
    assert Tokenizer.from_str(tokenizer.to_str()).get_vocab_size() == tokenizer.get_vocab_size()


def test_maps_of_captions_of_unequal_length():
    maps = [np.full((2, 4, 4), 1 / 16, np.float32), np.full((1, 4, 4), 1 / 16, np.float32)]
    arrays = attention_arrays(["x", "y"], [["a", "b"], ["c"]], maps)
    assert arrays["maps"].shape == (2, 2, 4, 4) and (arrays["maps"][1, 1] == 0).all()
    images = np.zeros((2, 32, 32, 3), np.uint8)
    sheet = attention_sheet(images, [["a", "b"], ["c"]], maps)
    assert sheet.dtype == np.uint8 and sheet.shape[0] > 2 * 96
    assert attention_arrays([], [], [])["maps"].shape[0] == 0


def test_the_image_and_one_copy_per_word_with_the_attention_in_orange():
    image = np.repeat(
        np.random.default_rng(0).integers(0, 200, (32, 32, 1), dtype=np.uint8), 3, axis=-1
    )  # grey
    maps = np.zeros((2, 8, 8), np.float32)
    maps[0, :4, :4] = 3.0  # upper left
    sheet = attention_sheet(image[None], [["star", "nowhere"]], [maps])
    large = image.repeat(3, axis=0).repeat(3, axis=1)
    assert np.array_equal(sheet[MARGIN : MARGIN + 96, MARGIN : MARGIN + 96], large)
    orange = (sheet[..., 0].astype(int) - sheet[..., 2]) > 120
    rows, columns = np.nonzero(orange)
    assert np.ptp(rows) < 66 and np.ptp(columns) < 66  # one quarter of one of the three images


def test_a_word_that_no_font_can_draw_is_replaced_by_its_code_points(system_fonts):
    system_fonts()
    images, maps = np.zeros((1, 32, 32, 3), np.uint8), [np.ones((1, 8, 8), np.float32)]
    np.testing.assert_array_equal(
        attention_sheet(images, [["红"]], maps), attention_sheet(images, [["U+7EA2"]], maps)
    )
