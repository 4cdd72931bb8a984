"""Whether a model repeats training images: the nearest training images of the drawn ones."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from lexipix.config.evaluation import MemorizationParameters
from lexipix.data.images import Images, Subset, evenly_spaced
from lexipix.evaluation.embedding import Embedder
from lexipix.evaluation.evaluated_images import EvaluatedImages, Pixels
from lexipix.metrics.distribution import Neighbors, Standardizer, nearest_neighbors
from lexipix.reporting.contact_sheet import comparison_sheet

VERY_NEAR = 0.01  # share of real images that are nearer to a training image than the threshold
RANKS = ("nearest", "second", "third")


def measure_neighbors(
    real: EvaluatedImages,
    drawn: Mapping[str, Pixels],
    train_images: Images,
    embedder: Embedder,
    parameters: MemorizationParameters,
) -> tuple[dict[str, Any], Pixels]:
    """Compares the distances of drawn and of real images to their nearest training images.

    Returns:
        :func:`memorization_metrics` with ``n_train`` and ``n_drawn``; and :func:`neighbors_sheet`.
    """
    rows = evenly_spaced(len(real.images), parameters.n_drawn)
    images = {"real": real.images[rows], **{path: images[rows] for path, images in drawn.items()}}
    found = find_neighbors(images, train_images, embedder, parameters.n_train)
    n_train = min(len(train_images), parameters.n_train or len(train_images))
    metrics = memorization_metrics(found) | {"n_train": n_train, "n_drawn": len(rows)}
    prompts = [real.prompts[row] for row in rows]
    return metrics, neighbors_sheet(images["champion"], prompts, found, train_images, parameters.n_shown)


def find_neighbors(
    images: Mapping[str, Pixels], train_images: Images, embedder: Embedder, limit: int | None
) -> dict[str, Neighbors]:
    """Returns the nearest training images of sets of images by name, in features standardized over ``real``.

    At most ``limit`` training images are searched, evenly spaced; None: all.
    """
    features = {name: embedder.embed_images(some)[0] for name, some in images.items()}
    scale = Standardizer(features["real"])
    searched = evenly_spaced(len(train_images), limit)
    train = scale(embedder.embed_images(Subset(train_images, searched))[0])
    k = min(len(RANKS), len(searched))
    found = {name: nearest_neighbors(scale(some), train, k) for name, some in features.items()}
    return {name: own._replace(indices=searched[own.indices]) for name, own in found.items()}


def memorization_metrics(found: Mapping[str, Neighbors]) -> dict[str, Any]:
    """Compares distances to the nearest training image with those of real test images.

    Returns:
        By path ``distance_ratio`` (the median distance divided by that of real test images: about 1 for new
        images of the same kind, 0 for copies) and ``very_near_share`` (the share that is nearer to a training
        image than all but 1 % of real test images; 0.01 for real ones); ``real`` with the ``median`` and the
        ``threshold`` of that 1 %.
    """
    real = found["real"].distances[:, 0]
    median, threshold = float(np.median(real)), float(np.quantile(real, VERY_NEAR))
    metrics: dict[str, Any] = {"real": {"median": median, "threshold": threshold}}
    for path, neighbors in found.items():
        if path != "real":
            distances = neighbors.distances[:, 0]
            metrics[path] = {
                "distance_ratio": float(np.median(distances)) / median if median else None,
                "very_near_share": float((distances < threshold).mean()),
            }
    return metrics


def neighbors_sheet(
    drawn: Pixels, prompts: list[str], found: Mapping[str, Neighbors], train_images: Images, n_shown: int
) -> Pixels:
    """Returns a contact sheet of the champion's images, their nearest training images, and the distances.

    Half of the rows are the images nearest to a training image, the others are evenly spaced.
    """
    neighbors = found["champion"]
    order = np.argsort(neighbors.distances[:, 0], kind="stable")
    near = order[: min(len(order), -(-n_shown // 2))]
    others = np.setdiff1d(np.arange(len(drawn)), near)
    shown = np.concatenate([near, others[evenly_spaced(len(others), n_shown - len(near))]]).astype(np.intp)
    columns: dict[str, Any] = {"drawn": drawn[shown]}
    for rank, name in enumerate(RANKS[: neighbors.distances.shape[1]]):
        columns[name] = np.asarray(train_images[neighbors.indices[shown, rank]])
    columns["distances"] = [
        f"{'nearest of all' if place < len(near) else 'evenly spaced'}: "
        + ", ".join(f"{distance:.1f}" for distance in neighbors.distances[row])
        for place, row in enumerate(shown)
    ]
    columns["caption"] = [prompts[row] for row in shown]
    typical = float(np.median(found["real"].distances[:, 0]))
    title = f"Drawn by the champion, and the nearest training images (real test images: {typical:.1f})"
    return comparison_sheet(columns, title=title)
