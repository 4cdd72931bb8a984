import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lexipix.scenes import caption, paraphrases, parse_caption, sample_scene, words
from lexipix.scenes.grammar import BACKGROUNDS, COLORS, PLACES, SHAPES, SIZES, Scene, SceneObject

# Any scene that can be written down, drawable or not: words do not care.
objects = st.builds(
    SceneObject,
    st.sampled_from(SHAPES),
    st.sampled_from(sorted(COLORS)),
    st.sampled_from(SIZES),
    st.sampled_from(PLACES),
)
scenes = st.builds(Scene, st.lists(objects, max_size=3).map(tuple), st.sampled_from(sorted(BACKGROUNDS)))

STAR = SceneObject("star", "purple", "small", "center")
CIRCLE = SceneObject("circle", "orange", "big", "bottom right")


def test_canonical_caption() -> None:
    assert caption(Scene((CIRCLE, STAR), "white")) == (
        "a small purple star at the center and a big orange circle at the bottom right on white"
    )
    assert caption(Scene((), "navy")) == "nothing on navy"


def test_paraphrases_differ_in_words_and_order() -> None:
    assert paraphrases(Scene((STAR, CIRCLE), "white")) == (
        "on white there is a big orange circle at the bottom right and a small purple star at the center",
        "on white: circle, orange, big, bottom right; star, purple, small, center",
        "a white picture with a little purple star in the center and"
        " a large orange circle in the bottom right",
        "an orange circle, large, at the bottom right and a purple star, little, at the center,"
        " white background",
        "a big orange circle at the bottom right and a small purple star at the center on white",
    )
    assert len(paraphrases(Scene((STAR,), "white"))) == 4


@given(scenes)
def test_every_wording_is_read_back(scene: Scene) -> None:
    wordings = (caption(scene), *paraphrases(scene))
    assert len(set(wordings)) == len(wordings) >= 4
    for text in wordings:
        assert parse_caption(text) == scene, text


@given(st.text())
def test_any_text_is_answered_without_an_error(text: str) -> None:
    parse_caption(text)


@given(st.lists(st.sampled_from(sorted(words())), max_size=30).map(" ".join))
def test_what_is_understood_can_be_said_again(text: str) -> None:
    scene = parse_caption(text)
    if scene is not None:
        assert parse_caption(caption(scene)) == scene


def test_words_cover_all_wordings() -> None:
    rng = np.random.default_rng(0)
    for _ in range(300):
        scene = sample_scene(rng, 3)
        for text in (caption(scene), *paraphrases(scene)):
            assert set(re.findall(r"\w+", text)) <= words()


@pytest.mark.parametrize(
    "text",
    [
        "A BIG red circle, at the left, ON WHITE!",
        "white background, large circle in red on the left side",
        "there is one huge circle (red, left) on a white picture",
    ],
)
def test_free_wordings_are_understood(text: str) -> None:
    assert parse_caption(text) == Scene((SceneObject("circle", "red", "big", "left"),), "white")


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("a big red circle in the upper left corner on white", "top left"),
        ("a big red circle at the left bottom on white", "bottom left"),
        ("a big red circle in the middle on white", "center"),
        ("a big red circle at the center right on white", "right"),
    ],
)
def test_other_names_of_places(text: str, place: str) -> None:
    assert parse_caption(text) == Scene((SceneObject("circle", "red", "big", place),), "white")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "nothing",
        "on white",
        "a big red circle at the left",
        "a big circle at the left on white",
        "a red circle on white",
        "a big red dog at the left on white",
        "a big red circle at the left on white on black",
        "a big red circle at the left right on white",
        "a big red circle at the left and nothing on white",
        "a big red circle at the left and a small blue at the right on white",
        " and ".join(["a big red circle at the left"] * 4) + " on white",
    ],
)
def test_what_is_incomplete_or_unknown_is_not_understood(text: str) -> None:
    assert parse_caption(text) is None
