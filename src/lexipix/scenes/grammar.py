"""Scenes: their vocabulary, their objects, and random scenes."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

from lexipix.scenes import layout

if TYPE_CHECKING:
    import numpy as np

RGB = tuple[int, int, int]

SHAPES: tuple[str, ...] = ("circle", "square", "triangle", "diamond", "star", "cross", "ring", "heart")
SIZES: tuple[str, ...] = ("small", "big")
# In reading order, which is also the canonical order of a scene's objects.
PLACES: tuple[str, ...] = (
    "top left",
    "top",
    "top right",
    "left",
    "center",
    "right",
    "bottom left",
    "bottom",
    "bottom right",
)
# Names of object colors and backgrounds are disjoint, so a word is unambiguous.
COLORS: dict[str, RGB] = {
    "red": (222, 38, 44),
    "orange": (255, 138, 20),
    "yellow": (255, 228, 60),
    "green": (38, 160, 66),
    "cyan": (60, 210, 225),
    "blue": (45, 85, 230),
    "purple": (142, 52, 186),
    "pink": (255, 125, 190),
}
BACKGROUNDS: dict[str, RGB] = {
    "white": (250, 250, 250),
    "black": (14, 14, 14),
    "gray": (128, 128, 128),
    "navy": (24, 30, 88),
    "brown": (104, 62, 34),
    "teal": (0, 92, 92),
    "lavender": (205, 196, 240),
    "sand": (228, 206, 160),
}
# Pairs nearer than 0.20 in OKLab or 125 in RGB (Euclidean, 8-bit) never occur in random scenes, because the
# object would be hard to see.
LOW_CONTRAST: dict[str, frozenset[str]] = {
    "white": frozenset({"yellow"}),
    "gray": frozenset({"green", "purple"}),
    "brown": frozenset({"red", "green"}),
    "teal": frozenset({"green"}),
    "lavender": frozenset({"cyan", "pink"}),
    "sand": frozenset({"orange", "yellow", "cyan", "pink"}),
}
MAX_OBJECTS = 3
ONE_OBJECT_SHARE = 0.25


@dataclass(frozen=True, slots=True)
class SceneObject:
    """One object: one word of each kind."""

    shape: str
    color: str
    size: str
    place: str


@dataclass(frozen=True, slots=True)
class Scene:
    """Objects on a background, sorted into canonical (reading) order."""

    objects: tuple[SceneObject, ...]
    background: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "objects", tuple(sorted(self.objects, key=_reading_order)))


def _reading_order(item: SceneObject) -> tuple[int, str, str, str]:
    return PLACES.index(item.place), item.shape, item.color, item.size


def has_contrast(color: str, background: str) -> bool:
    """Whether an object of ``color`` stands out from ``background``."""
    return color not in LOW_CONTRAST.get(background, frozenset())


def is_drawable(scene: Scene) -> bool:
    """Whether all objects have enough contrast and no two can touch, under any jitter of the renderer."""
    if not all(has_contrast(item.color, scene.background) for item in scene.objects):
        return False
    return all(
        layout.are_apart((a.shape, a.size, a.place), (b.shape, b.size, b.place))
        for a, b in combinations(scene.objects, 2)
    )


def sample_scene(rng: np.random.Generator, max_objects: int = 2) -> Scene:
    """A random scene: a quarter have one object, the others two to ``max_objects``, 1 to ``MAX_OBJECTS``."""
    n_objects = 1
    if max_objects > 1 and rng.random() >= ONE_OBJECT_SHARE:
        n_objects = int(rng.integers(2, max_objects + 1))
    background = _choice(rng, tuple(BACKGROUNDS))
    colors = tuple(color for color in COLORS if has_contrast(color, background))
    while True:
        objects = tuple(
            SceneObject(
                shape=_choice(rng, SHAPES),
                color=_choice(rng, colors),
                size=_choice(rng, SIZES),
                place=_choice(rng, PLACES),
            )
            for _ in range(n_objects)
        )
        scene = Scene(objects, background)
        if is_drawable(scene):
            return scene


def _choice(rng: np.random.Generator, words: tuple[str, ...]) -> str:
    return words[int(rng.integers(len(words)))]
