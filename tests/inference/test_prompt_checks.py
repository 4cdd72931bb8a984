from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lexipix.inference.onnx_models import OnnxGenerator
from lexipix.inference.prompt_checks import check_prompt, check_prompts, shown
from lexipix.utils.errors import LexipixError


def test_complete_description_has_nothing_to_warn_of(drawer):
    checked = check_prompt("  a big red circle at the left\non white ", drawer)
    assert checked.text == "a big red circle at the left on white"
    assert checked.warnings == ()


@pytest.mark.parametrize("prompt", ["", "  ", "\t\n"])
def test_empty(drawer, prompt):
    with pytest.raises(LexipixError, match="The prompt is empty: say what to draw"):
        check_prompt(prompt, drawer)


def test_overlong_says_count_and_limit(drawer):
    prompt = " ".join(["red"] * 30)
    with pytest.raises(
        LexipixError, match=r"too long: it has 30 tokens .* the model reads at most 23; shorten"
    ):
        check_prompt(prompt, drawer)
    assert check_prompt(" ".join(["red"] * 23), drawer)


def test_unknown_words_are_named_with_the_nearest_known(drawer):
    (warning,) = check_prompt("a big red circel at the left on white", drawer).warnings
    assert warning.startswith('The model never saw "circel" (near: circle')
    (warning,) = check_prompt("a big xylophone", drawer).warnings
    assert warning == 'The model never saw "xylophone" in training and will make little of it.'


def test_nothing_known_is_an_error_with_words_to_use(drawer):
    with pytest.raises(
        LexipixError, match=r'never saw any word of "dragon xylophone".*near: diamond.*such as .*heart'
    ):
        check_prompt("dragon xylophone", drawer)


def test_punctuation_alone_says_nothing(drawer):
    with pytest.raises(LexipixError, match=r'"\?!" has no words'):
        check_prompt("?!", drawer)


def test_words_of_other_languages_are_compared_too(toys):
    model = replace(toys["onnx_vae"], config={**toys["onnx_vae"].config, "known_words": ["собака", "кошка"]})
    drawer = OnnxGenerator(model)
    assert check_prompt("Кошка", drawer).warnings == ()
    assert "собака" in check_prompt("кошка собакa", drawer).warnings[0]


def test_scene_that_cannot_exist_is_drawn_with_a_warning(drawer):
    prompt = "a big red star at the top and a big blue ring at the top left on white"
    (warning,) = check_prompt(prompt, drawer).warnings
    assert "its objects would touch" in warning


def test_half_a_description_of_a_scene_is_drawn_with_a_warning(drawer):
    (warning,) = check_prompt("a red circle", drawer).warnings
    assert "is not a complete description" in warning


def test_prompts_of_other_data_are_no_scenes(toys):
    model = replace(
        toys["onnx_vae"], config={**toys["onnx_vae"].config, "known_words": ["a", "red", "circle", "dog"]}
    )
    assert check_prompt("a red circle", OnnxGenerator(model)).warnings == ()


def test_model_without_a_word_list_takes_any_word(toys):
    model = replace(toys["onnx_vae"], config={**toys["onnx_vae"].config, "known_words": []})
    assert check_prompt("a dragon", OnnxGenerator(model)).warnings == ()


def test_text_that_is_no_unicode(drawer):
    with pytest.raises(LexipixError, match="not valid UTF-8"):
        check_prompt("a \udcff circle", drawer)


def test_several_say_which_is_wrong(drawer):
    with pytest.raises(LexipixError, match=r"^number 2: The prompt is empty"):
        check_prompts(["a red circle", " "], drawer, "number {}: ")


def test_long_prompts_are_cut_in_messages():
    assert shown("x" * 100) == '"' + "x" * 59 + '…"'


@settings(max_examples=50, deadline=None, suppress_health_check=list(HealthCheck))
@given(prompt=st.text(max_size=100))
def test_any_text_is_checked_or_refused_in_a_sentence(drawer, prompt):
    try:
        checked = check_prompt(prompt, drawer)
    except LexipixError as error:
        assert str(error)[0].isupper() and str(error)[-1] in "."
    else:
        assert checked.text == " ".join(prompt.split())
