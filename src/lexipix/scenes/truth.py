"""The ground truth of images of scenes: the accuracy of their attributes, and the scenes rendered again."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lexipix.scenes.captions import parse_caption
from lexipix.scenes.facts import attribute_accuracy
from lexipix.scenes.grammar import Scene
from lexipix.scenes.oracle import Oracle
from lexipix.scenes.renderer import render_many

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class SceneTruth:
    """The ground truth of images of the embedded scenes: the scene of each, and what recognizes scenes."""

    scenes: Sequence[Scene]
    oracle: Oracle

    @classmethod
    def of(cls, captions: Sequence[str], image_size: int) -> "SceneTruth | None":
        """The ground truth of captions; None if one of them does not describe a scene."""
        scenes = [scene for caption in captions if (scene := parse_caption(caption)) is not None]
        if len(scenes) < len(captions):
            return None
        return cls(scenes, Oracle(image_size, max(1, *(len(scene.objects) for scene in scenes))))

    def accuracy(self, images: Pixels) -> float:
        """Share of the true attributes that the oracle finds in images, 0 to 1."""
        pairs = zip(self.scenes, self.oracle.read(images), strict=True)
        return float(np.mean([attribute_accuracy(true, seen) for true, seen in pairs]))

    def redraw(self, seed: int | None) -> Pixels:
        """The scenes rendered again, with the jitter of a seed, or without jitter if it is None."""
        rng = None if seed is None else np.random.default_rng(seed)
        return render_many(self.scenes, rng, self.oracle.image_size)
