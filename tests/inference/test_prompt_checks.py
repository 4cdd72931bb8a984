from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lexipix.inference.onnx_generator import OnnxGenerator
from lexipix.inference.prompt_checks import check_prompt, check_prompts, shown, unknown_words
from lexipix.utils.errors import LexipixError


def test_complete_description_has_nothing_to_warn_of(generator):
    checked = check_prompt("  a big red circle at the left\non white ", generator)
    assert checked.text == "a big red circle at the left on white"
    assert checked.warning == ""


@pytest.mark.parametrize("prompt", ["", "  ", "\t\n"])
def test_empty(generator, prompt):
    with pytest.raises(LexipixError, match="The prompt is empty: name what to draw"):
        check_prompt(prompt, generator)


def test_overlong_says_count_and_limit(generator):
    prompt = " ".join(["red"] * 30)
    with pytest.raises(
        LexipixError, match=r"too long: it has 30 tokens .* the model reads at most 23; shorten"
    ):
        check_prompt(prompt, generator)
    assert check_prompt(" ".join(["red"] * 23), generator)


def test_unknown_words_are_named_with_the_nearest_known(generator):
    warning = check_prompt("a big red circel at the left on white", generator).warning
    assert warning.startswith('The model never saw "circel" (similar: circle')
    warning = check_prompt("a big xylophone", generator).warning
    assert warning == 'The model never saw "xylophone" in training and will probably ignore it.'


def test_nothing_known_is_an_error_with_words_to_use(generator):
    with pytest.raises(
        LexipixError, match=r'never saw any word of "dragon xylophone".*similar: diamond.*such as .*heart'
    ):
        check_prompt("dragon xylophone", generator)


def test_punctuation_alone_says_nothing(generator):
    with pytest.raises(LexipixError, match=r'"\?!" has no words'):
        check_prompt("?!", generator)


def test_words_of_other_languages_are_compared_too(toys):
    model = replace(toys["onnx_vae"], config={**toys["onnx_vae"].config, "known_words": ["собака", "кошка"]})
    generator = OnnxGenerator(model)
    assert check_prompt("Кошка", generator).warning == ""
    assert "собака" in check_prompt("кошка собакa", generator).warning


def test_scene_that_cannot_exist_is_drawn_with_a_warning(generator):
    prompt = "a big red star at the top and a big blue ring at the top left on white"
    warning = check_prompt(prompt, generator).warning
    assert "its objects would touch" in warning


def test_half_a_description_of_a_scene_is_drawn_with_a_warning(generator):
    warning = check_prompt("a red circle", generator).warning
    assert "is not a complete description" in warning


def test_prompts_of_other_data_are_no_scenes(toys):
    model = replace(
        toys["onnx_vae"], config={**toys["onnx_vae"].config, "known_words": ["a", "red", "circle", "dog"]}
    )
    assert check_prompt("a red circle", OnnxGenerator(model)).warning == ""


def test_model_without_a_word_list_takes_any_word(toys):
    model = replace(toys["onnx_vae"], config={**toys["onnx_vae"].config, "known_words": []})
    assert check_prompt("a dragon", OnnxGenerator(model)).warning == ""


def test_text_that_is_no_unicode(generator):
    with pytest.raises(LexipixError, match="not valid UTF-8"):
        check_prompt("a \udcff circle", generator)


def test_an_error_names_the_wrong_one_of_several_prompts(generator):
    with pytest.raises(LexipixError, match=r"^number 2: The prompt is empty"):
        check_prompts(["a red circle", " "], generator, ["number 1: ", "number 2: "])


def test_long_prompts_are_cut_in_messages():
    assert shown("x" * 100) == '"' + "x" * 59 + '…"'


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(prompt=st.text(max_size=100))
def test_any_text_is_checked_or_refused_in_a_sentence(generator, prompt):
    try:
        checked = check_prompt(prompt, generator)
    except LexipixError as error:
        assert str(error)[0].isupper() and str(error)[-1] in "."
    else:
        assert checked.text == " ".join(prompt.split())


def test_a_new_word_is_drawn_as_the_nearest_known_one_and_that_is_said(toys):
    generator = OnnxGenerator(toys["onnx_vae"], {"disc": "circle", "red": "blue"})
    checked = check_prompt("a big red Disc at the left on white", generator)
    assert checked.text == "a big red circle at the left on white"
    assert checked.warning == 'The model never saw some words in training and draws "disc" as "circle".'
    assert check_prompt("disc", generator).text == "circle"
    both = check_prompt("a disc and a xylophone", generator).warning
    assert '"disc" as "circle"' in both and 'never saw "xylophone"' in both


def test_unknown_words_come_with_those_nearest_by_meaning_and_by_spelling(toys):
    generator = OnnxGenerator(toys["onnx_vae"], {"crimson": "red"})
    assert unknown_words("A circel, a crimson circel on white", generator) == [
        ("circel", ("circle",)),
        ("crimson", ("red",)),
    ]
    assert unknown_words("a big red circle", generator) == []
    silent = replace(toys["onnx_vae"], config={**toys["onnx_vae"].config, "known_words": []})
    assert unknown_words("anything", OnnxGenerator(silent)) == []
