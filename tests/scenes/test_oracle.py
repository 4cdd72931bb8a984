from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image, ImageFilter

from lexipix.scenes import Oracle, Scene, attribute_accuracy, attribute_f1, render_many, sample_scene
from lexipix.scenes.grammar import BACKGROUNDS, COLORS, PLACES, SHAPES, SIZES, SceneObject, has_contrast


@pytest.fixture(scope="module")
def oracle() -> Oracle:
    return Oracle()


@pytest.fixture(scope="module")
def scenes() -> list[Scene]:
    rng = np.random.default_rng(7)
    return [sample_scene(rng) for _ in range(500)]


def accuracy(expected: list[Scene], seen: list[Scene]) -> float:
    return float(np.mean([attribute_f1(a, b) for a, b in zip(expected, seen, strict=True)]))


def blurred(images: np.ndarray, sigma: float) -> np.ndarray:
    return np.stack([np.asarray(Image.fromarray(i).filter(ImageFilter.GaussianBlur(sigma))) for i in images])


def test_reads_fresh_renders(oracle: Oracle, scenes: list[Scene]) -> None:
    seen = oracle.read(render_many(scenes, np.random.default_rng(8)))
    assert accuracy(scenes, seen) >= 0.999


def test_reads_three_objects() -> None:
    rng = np.random.default_rng(9)
    scenes = [sample_scene(rng, 3) for _ in range(300)]
    seen = Oracle(max_objects=3).read(render_many(scenes, rng))
    assert accuracy(scenes, seen) >= 0.999


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("shape", SHAPES)
def test_reads_each_object_at_each_place_in_each_color(oracle: Oracle, shape: str, size: str) -> None:
    pairs = [(c, b) for c in COLORS for b in BACKGROUNDS if has_contrast(c, b)]
    scenes = [
        Scene((SceneObject(shape, *pairs[i % len(pairs)][:1], size, place),), pairs[i % len(pairs)][1])
        for i, place in enumerate(PLACES * 10)
    ]
    assert oracle.read(render_many(scenes, np.random.default_rng(1))) == scenes


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda x: blurred(x, 0.7), id="blur 0.7"),
        pytest.param(lambda x: blurred(x, 1.0), id="blur 1.0"),
        pytest.param(lambda x: (0.85 * x + 0.15 * 128).astype(np.uint8), id="washed out"),
        pytest.param(
            lambda x: np.clip(
                blurred(x, 0.7) + np.random.default_rng(0).normal(0, 10, x.shape), 0, 255
            ).astype(np.uint8),
            id="blur and noise",
        ),
    ],
)
def test_reads_what_a_model_would_blur(
    oracle: Oracle, scenes: list[Scene], spoil: Callable[[np.ndarray], np.ndarray]
) -> None:
    images = spoil(render_many(scenes, np.random.default_rng(8)))
    assert accuracy(scenes, oracle.read(images)) >= 0.995


def test_reads_the_mean_over_the_jitter(oracle: Oracle, scenes: list[Scene]) -> None:
    """The best that a model trained with a squared error can draw."""
    rng = np.random.default_rng(2)
    mean = np.mean([render_many(scenes[:200], rng).astype(np.float32) for _ in range(12)], axis=0)
    assert accuracy(scenes[:200], oracle.read(mean.astype(np.uint8))) >= 0.995


@pytest.mark.parametrize("image_size", [24, 48, 64])
def test_reads_other_picture_sizes(scenes: list[Scene], image_size: int) -> None:
    images = render_many(scenes[:60], np.random.default_rng(8), image_size)
    assert accuracy(scenes[:60], Oracle(image_size).read(images)) >= 0.99


def test_sees_nothing_where_nothing_is(oracle: Oracle) -> None:
    scenes = [Scene((), background) for background in BACKGROUNDS]
    images = render_many(scenes, None)
    assert oracle.read(images) == scenes
    noisy = np.clip(images + np.random.default_rng(0).normal(0, 12, images.shape), 0, 255).astype(np.uint8)
    assert oracle.read(noisy) == scenes


def test_sees_nothing_in_pure_noise(oracle: Oracle) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (100, 32, 32, 3)).astype(np.uint8)
    assert sum(len(scene.objects) for scene in oracle.read(noise)) <= 2


def test_tells_what_is_wrong(oracle: Oracle, scenes: list[Scene]) -> None:
    """Accuracy is only worth something if pictures of other scenes score low."""
    images = render_many(scenes, np.random.default_rng(8))
    others = oracle.read(np.roll(images, 1, axis=0))
    chance = np.mean([attribute_accuracy(a, b) for a, b in zip(scenes, others, strict=True)])
    assert chance < 0.45


def test_reading_does_not_depend_on_the_company(oracle: Oracle, scenes: list[Scene]) -> None:
    images = render_many(scenes[:10], np.random.default_rng(8))
    assert oracle.read(images) == [oracle.read(images[i : i + 1])[0] for i in range(10)]


def test_no_pictures(oracle: Oracle) -> None:
    assert oracle.read(np.empty((0, 32, 32, 3), np.uint8)) == []
