"""The embedded scenes as a source: they are rendered while they are read."""

import sys
from collections.abc import Generator
from functools import partial

import numpy as np

from lexipix import scenes
from lexipix.config.ingestion import SceneSourceParameters
from lexipix.utils.types import OpenedSource, SourceImage, SplitName

# Scenes rendered at once. Another number changes the images of a seed.
_BLOCK = 256
_ORDER: tuple[SplitName, ...] = ("test", "val", "train")


def open_scenes(parameters: SceneSourceParameters, image_size: int, seed: int) -> OpenedSource:
    """The scenes as a source; image *i* of a split depends on the seed, the split and *i* only."""
    return OpenedSource(
        partial(_read, parameters, image_size, seed),
        splits=frozenset({"val", "test"}),
        n_images=sum(getattr(parameters, f"n_{split}") for split in _ORDER),
    )


def _read(
    parameters: SceneSourceParameters, image_size: int, seed: int, first: int = 0, stop: int = sys.maxsize
) -> Generator[SourceImage, None, None]:
    n_before = 0  # images in the blocks before
    for split_index, split in enumerate(_ORDER):
        n_images: int = getattr(parameters, f"n_{split}")
        withheld_share = parameters.uncaptioned_share if split == "train" else 0.0
        for block, start in enumerate(range(0, n_images, _BLOCK)):
            size = min(_BLOCK, n_images - start)
            wanted = range(size)[max(0, first - n_before) : max(0, stop - n_before)]
            n_before += size
            if not wanted:
                continue
            layout_rng, draw_rng, caption_rng = (
                np.random.default_rng([seed, split_index, block, use]) for use in range(3)
            )
            drawn = [scenes.sample_scene(layout_rng, parameters.max_objects) for _ in range(_BLOCK)]
            images = scenes.render_many(drawn, draw_rng, image_size)
            withheld = caption_rng.random(_BLOCK) < withheld_share
            for offset in wanted:
                scene = drawn[offset]
                truth = scenes.caption(scene)
                file = f"{split}/{start + offset:06d}"
                if withheld[offset]:
                    yield SourceImage(file, images[offset], None, split=split, withheld_caption=truth)
                else:
                    yield SourceImage(file, images[offset], truth, scenes.paraphrases(scene), split=split)
