"""Pictures of three classes, which are their colors."""

import numpy as np
import pandas as pd

from lexipix.utils.types import ImageSplits, Split

CLASSES = ("blue", "green", "red")
COLORS = {"red": (200, 60, 60), "green": (60, 200, 60), "blue": (60, 60, 200)}


def colored(names, seed):
    """Noisy pictures of one color each, around which the single pictures vary."""
    rng = np.random.default_rng(seed)
    base = np.array([COLORS[name] for name in names])[:, None, None]
    tint = rng.integers(-40, 41, (len(names), 1, 1, 3))
    return np.clip(base + tint + rng.integers(-20, 21, (len(names), 16, 16, 3)), 0, 255).astype(np.uint8)


def split_of(n, seed):
    names = [CLASSES[i % 3] for i in range(n)]
    table = pd.DataFrame({"file": [f"{seed}-{i}.png" for i in range(n)], "label": names})
    table = table.assign(caption=[f"a {name} picture" for name in names], withheld_caption=None)
    return Split(colored(names, seed), table)


def colored_pictures():
    """All four splits, with classes in turn."""
    return ImageSplits(split_of(48, 0), split_of(12, 1), split_of(30, 2), split_of(3, 3), {"digest": "d"})
