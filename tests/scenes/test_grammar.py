import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from lexipix.scenes import grammar, layout
from lexipix.scenes.grammar import BACKGROUNDS, COLORS, PLACES, SHAPES, SIZES, Scene, SceneObject

seeds = st.integers(0, 2**32 - 1)


def test_vocabulary_is_as_rich_as_promised() -> None:
    assert len(SHAPES) >= 6
    assert (len(COLORS), len(SIZES), len(PLACES), len(BACKGROUNDS)) == (8, 2, 9, 8)
    assert not set(COLORS) & set(BACKGROUNDS)


def test_colors_drawn_together_are_far_apart() -> None:
    pairs = [(c, b) for c in COLORS for b in BACKGROUNDS if grammar.has_contrast(c, b)]
    distances = [np.linalg.norm(np.subtract(COLORS[c], BACKGROUNDS[b], dtype=float)) for c, b in pairs]
    assert min(distances) >= 125
    assert all(sum(b == background for _, b in pairs) >= 4 for background in BACKGROUNDS)


@given(seeds, st.integers(1, 3))
def test_sampled_scenes_are_drawable_and_in_reading_order(seed: int, max_objects: int) -> None:
    scene = grammar.sample_scene(np.random.default_rng(seed), max_objects)
    assert 1 <= len(scene.objects) <= max_objects
    assert grammar.is_drawable(scene)
    positions = [PLACES.index(item.place) for item in scene.objects]
    assert positions == sorted(positions)
    assert len(set(positions)) == len(positions)


def test_same_seed_same_scene() -> None:
    first, second = (grammar.sample_scene(np.random.default_rng(5)) for _ in range(2))
    assert first == second


def test_every_word_and_about_a_quarter_of_single_objects_are_sampled() -> None:
    rng = np.random.default_rng(0)
    scenes = [grammar.sample_scene(rng) for _ in range(2000)]
    objects = [item for scene in scenes for item in scene.objects]
    assert {scene.background for scene in scenes} == set(BACKGROUNDS)
    assert {item.shape for item in objects} == set(SHAPES)
    assert {item.color for item in objects} == set(COLORS)
    assert {item.place for item in objects} == set(PLACES)
    assert 0.4 < np.mean([item.size == "big" for item in objects]) < 0.6
    assert 0.2 < np.mean([len(scene.objects) == 1 for scene in scenes]) < 0.3


def test_scene_puts_its_objects_into_canonical_order() -> None:
    left = SceneObject("star", "red", "small", "left")
    right = SceneObject("ring", "blue", "small", "right")
    assert Scene((right, left), "white") == Scene((left, right), "white")
    assert Scene((right, left), "white").objects == (left, right)


def test_low_contrast_and_touching_objects_are_not_drawable() -> None:
    pale = Scene((SceneObject("star", "yellow", "big", "center"),), "white")
    touching = Scene(
        (SceneObject("star", "red", "big", "center"), SceneObject("ring", "red", "big", "right")), "white"
    )
    assert not grammar.is_drawable(pale)
    assert not grammar.is_drawable(touching)


def test_two_big_objects_fit_side_by_side() -> None:
    assert layout.are_apart(("square", "big", "left"), ("square", "big", "right"))
