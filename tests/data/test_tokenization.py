import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer

from lexipix.data.tokenization import (
    EOS,
    EOS_ID,
    PAD,
    PAD_ID,
    SEPARATOR,
    UNKNOWN,
    decode,
    encode,
    eos_id,
    n_tokens,
    pad_id,
    text_features,
    train_feature_tokenizer,
    train_tokenizer,
    word_ids,
)

CAPTIONS = ["a small red star at the top on white", "a big blue ring at the left on gray", "ein Käse"]
TOKENIZER = train_tokenizer(CAPTIONS * 4, 320)


def test_ids_of_pad_and_eos():
    assert (pad_id(TOKENIZER), eos_id(TOKENIZER)) == (PAD_ID, EOS_ID) == (0, 1)


def test_encoding_appends_eos_and_pads():
    ids = encode(TOKENIZER, ["a", "a a a"], 10)
    assert ids.dtype == np.int64
    assert ids.tolist() == [[ids[0, 0], EOS_ID, PAD_ID, PAD_ID], [ids[0, 0]] * 3 + [EOS_ID]]


def test_long_captions_are_cut_and_end_with_eos():
    ids = encode(TOKENIZER, ["a a a a a a", "a", "a a a"], 4)
    assert ids.shape == (3, 4)
    assert (ids == EOS_ID).sum(1).tolist() == [1, 1, 1]
    assert ids[0, 3] == EOS_ID and ids[1, 3] == PAD_ID and ids[2, 3] == EOS_ID


def test_no_captions_give_an_empty_batch():
    assert encode(TOKENIZER, [], 4).shape[0] == 0
    assert encode(TOKENIZER, [""], 4).tolist() == [[EOS_ID]]
    assert decode(TOKENIZER, np.array([[EOS_ID, PAD_ID]])) == [""]


def test_decoding_stops_at_the_first_eos():
    star = encode(TOKENIZER, ["star"], 8)[0].tolist()
    assert decode(TOKENIZER, np.array([[*star, *star], [*star[:-1], *star, PAD_ID]])) == ["star", "star star"]


def test_a_word_is_the_same_token_at_every_position():
    alone, behind = (encode(TOKENIZER, [text], 20)[0].tolist() for text in ("star", "red star"))
    assert alone[:-1] == behind[-1 - len(alone[:-1]) : -1]


def test_chinese_characters_are_separate_tokens_and_decode_without_spaces():
    tokenizer = train_tokenizer(["红色的心, noto", "红色的车", "白色的心", "a red heart"] * 8, 400)
    phrase, heart = (encode(tokenizer, [text], 20)[0].tolist() for text in ("红色的心", "心"))
    assert len(phrase) == 1 + 4 + 1 and phrase[-2] == heart[-2]  # the space before, four characters, the end
    texts = ["白色的车, noto", "a red heart", "心 heart"]
    assert decode(tokenizer, encode(tokenizer, texts, 40)) == texts


def test_a_tokenizer_is_rebuilt_from_its_text():
    again = Tokenizer.from_str(TOKENIZER.to_str())
    assert (pad_id(again), eos_id(again)) == (0, 1)
    assert np.array_equal(encode(again, CAPTIONS, 48), encode(TOKENIZER, CAPTIONS, 48))


def test_training_it_twice_gives_the_same_tokenizer():
    assert train_tokenizer(CAPTIONS * 4, 320).to_str() == TOKENIZER.to_str()


@settings(max_examples=100, deadline=None)
@example("a <eos> star")
@given(st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), max_size=30))
def test_any_text_survives_encoding_and_decoding(text):
    import unicodedata

    expected = unicodedata.normalize("NFC", text).lower().strip()
    (back,) = decode(TOKENIZER, encode(TOKENIZER, [text], 512))
    assert back == expected


def test_features_are_words_pairs_and_parts_of_words():
    assert text_features("Red star").split(SEPARATOR) == [
        "^red$", "^star$", "^red$ ^star$",
        "^re", "red", "ed$", "^red", "red$",
        "^st", "sta", "tar", "ar$", "^sta", "star", "tar$", "^star", "star$",
    ]  # fmt: skip
    assert text_features("红心, ☆").split(SEPARATOR)[:5] == ["^红$", "^心$", "^☆$", "^红$ ^心$", "^心$ ^☆$"]
    assert text_features(" ,\n") == ""


def test_words_and_whatever_else_occurs_twice_are_known_others_are_one_unknown():
    made = train_feature_tokenizer(["Red heart, noto", "red star, NOTO", "红心", "红 star"], 1000)
    names = made.tokenizer.get_vocab()
    words = {name for name in names if name[0] == "^" and name[-1] == "$" and " " not in name}
    assert words == {"^red$", "^heart$", "^noto$", "^star$", "^红$", "^心$"}
    assert {name for name in names if " " in name} == set(), "no pair occurs twice"
    assert "sta" in names and "hea" not in names
    ids = encode(made.tokenizer, ["ｓｔａｒ zebra", f"pad {UNKNOWN}"], 100)
    star, unknown = names["^star$"], names[UNKNOWN]
    assert ids[0].tolist()[:3] == [star, unknown, unknown]
    length = ids[1].tolist().index(EOS_ID)
    assert set(ids[1, :length].tolist()) == {unknown}, "a special token's name is text"


def test_words_of_one_caption_come_first_and_words_before_all_else():
    made = train_feature_tokenizer(["sword", "long sword", "long sword", "fish"], 1000)
    names = sorted(made.tokenizer.get_vocab().items(), key=lambda item: item[1])
    assert [name for name, _ in names[: made.n_words]] == [PAD, EOS, UNKNOWN, "^fish$", "^long$", "^sword$"]
    assert made.n_silent == 5, "equal captions count once"
    assert word_ids(made.tokenizer).tolist() == [number in (3, 4, 5) for number in range(len(names))]


def test_all_tokens_of_byte_pairs_are_words_but_the_special_ones():
    assert np.flatnonzero(~word_ids(TOKENIZER)).tolist() == [PAD_ID, EOS_ID]


def test_a_word_that_was_never_seen_is_known_in_part():
    made = train_feature_tokenizer(["sword", "long sword", "fish", "a fish"], 1000)
    ids = encode(made.tokenizer, ["swordfish"], 100)[0]
    assert (ids[1:] >= made.n_words).sum() > 5


def test_a_feature_tokenizer_has_at_most_so_many_ids_and_those_that_occur_most():
    captions = ["a b", "a b c", "a b d", "b c x y z"]
    made = train_feature_tokenizer(captions, 12)
    names = set(made.tokenizer.get_vocab()) - {PAD, EOS, UNKNOWN}
    assert names == {"^a$", "^b$", "^c$", "^a$ ^b$", "^b$ ^c$"}, "half of the ids at most are words"


def test_a_prompt_is_as_long_as_its_words_if_it_is_read_by_features():
    made = train_feature_tokenizer(["a red swordfish"], 100)
    assert n_tokens(made.tokenizer, ["a red swordfish, twice", ""]).tolist() == [4 + 1, 1]
    captions = ["x" * 30, "x", ""]
    assert n_tokens(TOKENIZER, captions).tolist() == [len(TOKENIZER.encode(text).ids) for text in captions]
