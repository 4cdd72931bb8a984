"""Baselines that need no model: the mean image, and another image with the same caption."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lexipix.data.images import Images
from lexipix.evaluation.evaluated_images import EvaluatedImages, Pixels
from lexipix.metrics.images import psnr, ssim
from lexipix.utils.alpha import opaque
from lexipix.utils.types import Split

MEAN_CHUNK = 1024  # images in memory while a mean is computed


def mean_psnr_ssim(images: Pixels, others: Pixels) -> dict[str, float]:
    """Returns ``psnr`` (dB) and ``ssim``, means over pairs of images, uint8 (N, H, W, C)."""
    return {"psnr": float(psnr(images, others).mean()), "ssim": float(ssim(images, others).mean())}


def mean_psnr_of_alpha(images: Pixels, others: Pixels) -> dict[str, float]:
    """Returns ``psnr_over_black`` and ``psnr_of_alpha`` (dB) of images with alpha; others have neither."""
    if images.shape[-1] == 3:
        return {}
    over_black = psnr(opaque(images, 0), opaque(others, 0))
    of_alpha = psnr(images[..., 3:], others[..., 3:])
    return {"psnr_over_black": float(over_black.mean()), "psnr_of_alpha": float(of_alpha.mean())}


def mean_image(images: Images) -> Pixels:
    """Returns the mean of images, uint8 (N, H, W, 3), rounded: uint8 (H, W, 3)."""
    chunks = np.split(np.arange(len(images)), range(MEAN_CHUNK, len(images), MEAN_CHUNK))
    total: Any = sum(images[chunk].sum(axis=0, dtype=np.float64) for chunk in chunks)
    return np.asarray(np.rint(total / len(images)), np.uint8)


def measure_baselines(real: EvaluatedImages, train: Split, seed: int) -> dict[str, dict[str, float]]:
    """Returns PSNR and SSIM of the mean training image and of another image with the same caption.

    Two embedded scenes hardly ever have the same caption. For them the other image is the caption rendered
    again with other random positions, as another scene of the data set would have been.
    """
    mean = np.broadcast_to(mean_image(train.images), real.images.shape)
    metrics = {"mean_image": mean_psnr_ssim(real.images, mean)}
    if real.scenes is not None:
        metrics["same_caption"] = mean_psnr_ssim(real.images, real.scenes.redraw(seed))
    else:
        table = real.table.assign(caption=pd.Series(list(real.references), dtype=object))
        indices, partners = same_caption_pairs(table, train.captions, seed)
        if len(indices):
            metrics["same_caption"] = mean_psnr_ssim(real.images[indices], train.images[partners])
    return metrics


def same_caption_pairs(
    table: pd.DataFrame, pool: pd.DataFrame, seed: int
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Pairs each image with a random other one that has the same caption, or else the same label.

    Both tables have the columns caption and label, whose values may be missing, and no image in common.

    Returns:
        Row numbers of ``table`` that have a partner, and the partners' row numbers in ``pool``.
    """
    rng = np.random.default_rng(seed)
    found, partners = [], []
    by_key: dict[str, dict[Any, Any]] = {
        key: dict(pool.groupby(key).indices) for key in ("caption", "label") if pool[key].notna().any()
    }
    for row in range(len(table)):
        same = (groups.get(table[key].iloc[row]) for key, groups in by_key.items())
        candidates = next((rows for rows in same if rows is not None), None)
        if candidates is not None:
            found.append(row)
            partners.append(int(candidates[rng.integers(len(candidates))]))
    return np.array(found, np.intp), np.array(partners, np.intp)
