import numpy as np
import pytest

from lexipix.scenes import Scene, SceneObject, attribute_accuracy, attribute_f1, sample_scene

STAR = SceneObject("star", "purple", "small", "center")
RING = SceneObject("ring", "red", "big", "top")
HEART = SceneObject("heart", "pink", "big", "left")


def test_a_scene_agrees_with_itself() -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        scene = sample_scene(rng, 3)
        assert attribute_accuracy(scene, scene) == attribute_f1(scene, scene) == 1.0


def test_missing_object_counts_as_wrong() -> None:
    expected, seen = Scene((STAR, RING), "white"), Scene((STAR,), "white")
    assert attribute_accuracy(expected, seen) == pytest.approx(5 / 9)
    assert attribute_f1(expected, seen) == pytest.approx(2 * 5 / (9 + 5))


def test_superfluous_object_lowers_f1_only() -> None:
    expected, seen = Scene((STAR,), "white"), Scene((STAR, RING), "white")
    assert attribute_accuracy(expected, seen) == 1.0
    assert attribute_f1(expected, seen) == pytest.approx(2 * 5 / (5 + 9))


def test_objects_are_matched_as_well_as_possible() -> None:
    # The ring has moved behind the star in reading order; only its place is wrong.
    moved = SceneObject("ring", "red", "big", "bottom")
    assert attribute_accuracy(Scene((RING, STAR), "white"), Scene((STAR, moved), "white")) == pytest.approx(
        8 / 9
    )


def test_facts_of_one_object_are_not_mixed_with_anothers() -> None:
    expected = Scene(
        (SceneObject("star", "red", "big", "left"), SceneObject("ring", "blue", "big", "right")), "white"
    )
    swapped = Scene(
        (SceneObject("star", "blue", "big", "left"), SceneObject("ring", "red", "big", "right")), "white"
    )
    assert attribute_accuracy(expected, swapped) == pytest.approx(7 / 9)


def test_empty_scenes() -> None:
    nothing = Scene((), "white")
    assert attribute_accuracy(nothing, nothing) == attribute_f1(nothing, nothing) == 1.0
    assert attribute_accuracy(nothing, Scene((), "black")) == attribute_f1(nothing, Scene((), "black")) == 0.0
    assert attribute_accuracy(Scene((HEART,), "white"), nothing) == pytest.approx(1 / 5)
