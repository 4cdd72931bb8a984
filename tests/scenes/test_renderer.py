import numpy as np
import pytest

from lexipix.scenes import Scene, SceneObject, layout, render_many, sample_scene
from lexipix.scenes.grammar import BACKGROUNDS, COLORS, PLACES, SHAPES, SIZES
from lexipix.scenes.shapes import DISTANCES, masks


def render(scene: Scene, rng: np.random.Generator | None, image_size: int = 32) -> np.ndarray:
    return render_many([scene], rng, image_size)[0]


def one(shape: str = "circle", size: str = "big", place: str = "center", color: str = "red") -> Scene:
    return Scene((SceneObject(shape, color, size, place),), "white")


@pytest.mark.parametrize("image_size", [16, 32, 48, 64])
def test_shape_and_type(image_size: int) -> None:
    picture = render(one(), None, image_size)
    assert picture.shape == (image_size, image_size, 3)
    assert picture.dtype == np.uint8


def test_colors_are_exact_inside_and_outside() -> None:
    picture = render(one("square"), None)
    assert tuple(picture[16, 16]) == COLORS["red"]
    assert tuple(picture[0, 0]) == BACKGROUNDS["white"]


def test_nothing_is_a_plain_background() -> None:
    picture = render(Scene((), "teal"), np.random.default_rng(0))
    assert (picture == np.array(BACKGROUNDS["teal"])).all()


def test_same_seed_same_bytes_and_other_seed_other_picture() -> None:
    scenes = [sample_scene(np.random.default_rng(i)) for i in range(20)]
    first, again, other = (render_many(scenes, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert (first != other).any(axis=(1, 2, 3)).all()


def test_same_shape_twice_in_one_picture() -> None:
    both = Scene(
        (SceneObject("ring", "red", "small", "left"), SceneObject("ring", "blue", "big", "right")), "gray"
    )
    halves = [render(Scene((item,), "gray"), None) for item in both.objects]
    picture = render(both, None)
    assert np.array_equal(picture[:, :15], halves[0][:, :15])
    assert np.array_equal(picture[:, 15:], halves[1][:, 15:])


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("size", SIZES)
def test_jitter_moves_an_object_by_at_most_a_pixel_and_cuts_nothing_off(shape: str, size: str) -> None:
    still = _centroid(render(one(shape, size), None))
    for place in PLACES:
        scene = one(shape, size, place)
        image_splits = render_many([scene] * 20, np.random.default_rng(3))
        center = _centroid(render(scene, None))
        moves = np.array([_centroid(picture) - center for picture in image_splits])
        assert np.abs(moves).max() <= layout.POSITION_JITTER + 0.15  # rounding to 8 bits, size jitter
        assert np.abs(moves).max() > 0.5
        areas = np.array([_area(picture) for picture in image_splits]) / _area(render(one(shape, size), None))
        assert areas.min() > 0.94**2 - 0.02
        assert areas.max() < 1.06**2 + 0.02
    assert np.abs(still - 16).max() < 1.5


@pytest.mark.parametrize("shape", SHAPES)
def test_reach_holds(shape: str) -> None:
    """The grammar's promise that objects never touch rests on these two numbers."""
    x, y = np.meshgrid(np.linspace(-1.5, 1.5, 601), np.linspace(-1.5, 1.5, 601))
    inside = DISTANCES[shape](x, y) < 0
    assert np.hypot(x, y)[inside].max() <= layout._REACH[shape]
    assert max(np.abs(x)[inside].max(), np.abs(y)[inside].max()) <= layout._AXIS_REACH


def test_objects_never_touch_under_jitter() -> None:
    rng = np.random.default_rng(4)
    scenes = [scene for scene in (sample_scene(rng, 3) for _ in range(600)) if len(scene.objects) > 1]
    shares = np.zeros((len(scenes), 32, 32), int)
    for k in range(3):
        # Each object alone under the jitter it has in the whole scene: hide the others by their color.
        jitter = np.random.default_rng(5)
        alone = [
            Scene(
                tuple(
                    SceneObject(item.shape, "red" if i == k else "blue", item.size, item.place)
                    for i, item in enumerate(scene.objects)
                ),
                "black",
            )
            for scene in scenes
        ]
        red = render_many(alone, jitter)[..., 0].astype(int)
        shares += red > 60
    assert shares.max() == 1


def test_edges_are_smooth_and_area_is_right() -> None:
    picture = render(one("circle"), None)
    assert len(np.unique(picture[..., 1])) >= 5  # a centered circle is symmetric: few, but more than two
    radius = 0.95 * layout.RADII["big"]
    assert _area(picture) == pytest.approx(np.pi * radius**2, rel=0.01)


@pytest.mark.parametrize("shape", SHAPES)
def test_masks_agree_with_supersampling(shape: str) -> None:
    center, radius = np.array([10.3]), np.array([6.1])
    smooth = masks(shape, center, center, radius, 20)[0]
    fine = masks(shape, center * 16, center * 16, radius * 16, 320)[0] > 0.5
    truth = fine.reshape(20, 16, 20, 16).mean(axis=(1, 3))
    assert np.abs(smooth - truth).mean() < 0.01
    assert np.abs(smooth - truth).max() < 0.3  # at sharp tips


def test_twice_the_size_is_the_same_picture() -> None:
    scene = one("heart", "small", "top right")
    large = render(scene, None, 64).reshape(32, 2, 32, 2, 3).mean(axis=(1, 3))
    assert np.abs(large - render(scene, None, 32)).mean() < 1.0


def _area(picture: np.ndarray) -> float:
    background, color = BACKGROUNDS["white"][1], COLORS["red"][1]
    return float(((background - picture[..., 1].astype(float)) / (background - color)).sum())


def _centroid(picture: np.ndarray) -> np.ndarray:
    weight = BACKGROUNDS["white"][1] - picture[..., 1].astype(float)
    grid = np.arange(0.5, 32)
    return np.array([(weight.sum(axis=axis) * grid).sum() for axis in (0, 1)]) / weight.sum()
