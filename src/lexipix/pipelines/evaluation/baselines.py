"""What the figures stand beside: answers that need no model, and answers that no model could beat."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lexipix.metrics.images import psnr, ssim
from lexipix.scenes import Oracle, Scene, attribute_accuracy, parse_caption, render_many

Pixels = NDArray[np.uint8]


def quality(images: Pixels, others: Pixels) -> dict[str, float]:
    """Mean PSNR and mean SSIM of pairs of pictures."""
    return {"psnr": float(psnr(images, others).mean()), "ssim": float(ssim(images, others).mean())}


def mean_image(images: Pixels) -> Pixels:
    """The mean of all pictures, rounded: uint8 (H, W, 3); what one would answer without looking at all."""
    total = np.zeros(images.shape[1:], np.float64)
    for start in range(0, len(images), 1024):
        total += images[start : start + 1024].sum(axis=0, dtype=np.float64)
    mean: Pixels = np.rint(total / len(images)).astype(np.uint8)
    return mean


def same_caption_rows(
    asked: pd.DataFrame, pool: pd.DataFrame, seed: int
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Pairs each picture with another real one that has the same caption, or else the same label.

    Args:
        asked: Rows with the columns caption and label; captions may be missing.
        pool: Likewise, the pictures to choose from; none of them may be one of ``asked``.
        seed: Of the draw among several.

    Returns:
        Row numbers of ``asked`` that found a partner, and their partners' in ``pool``.
    """
    rng = np.random.default_rng(seed)
    found, partners = [], []
    by_key: dict[str, dict[Any, Any]] = {
        key: dict(pool.groupby(key).indices) for key in ("caption", "label") if pool[key].notna().any()
    }
    for row in range(len(asked)):
        for key, indices in by_key.items():
            rows = indices.get(asked[key].iloc[row])
            if rows is not None:
                found.append(row)
                partners.append(int(rows[rng.integers(len(rows))]))
                break
    return np.array(found, np.intp), np.array(partners, np.intp)


@dataclass(frozen=True)
class SceneTruth:
    """What the embedded scenes know of their own pictures.

    Attributes:
        scenes: The true scene of each evaluated picture.
        oracle: Reads scenes from pictures.
    """

    scenes: Sequence[Scene]
    oracle: Oracle

    @classmethod
    def of(cls, captions: Sequence[str], image_size: int) -> "SceneTruth | None":
        """The truth behind captions; None when one of them describes no scene."""
        scenes = [parse_caption(caption) for caption in captions]
        if any(scene is None for scene in scenes):
            return None
        known = [scene for scene in scenes if scene is not None]
        most = max(len(scene.objects) for scene in known)
        return cls(known, Oracle(image_size, max(1, most)))

    def accuracy(self, images: Pixels) -> float:
        """Share of the true attributes that the oracle finds in pictures of these scenes."""
        pairs = zip(self.scenes, self.oracle.read(images), strict=True)
        return float(np.mean([attribute_accuracy(true, seen) for true, seen in pairs]))

    def redraw(self, seed: int | None) -> Pixels:
        """The true captions drawn again: jittered by a seed, or each object at its most likely place."""
        rng = None if seed is None else np.random.default_rng(seed)
        return render_many(self.scenes, rng, self.oracle.image_size)
