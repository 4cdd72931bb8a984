"""Does a model repeat what it was trained on? The nearest training pictures of drawn ones."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lexipix.config.evaluation import EvaluationParameters, MemorisationParameters
from lexipix.config.run import RunParameters
from lexipix.evaluation.embedding import Judge
from lexipix.evaluation.measure import Evaluated, evaluated, spread
from lexipix.evaluation.paths import drawn_by_path
from lexipix.metrics.distribution import NearestNeighbors, Standardizer
from lexipix.reporting.sheet import rows_sheet
from lexipix.utils.types import ImageSplits, ModelBundle

Pixels = NDArray[np.uint8]
PART = 2_048  # training pictures that are looked at together
SHOWN = 3  # neighbours in the sheet
VERY_NEAR = 0.01  # the share of real pictures that are nearer to a training picture than the mark is
ORDINALS = ("nearest", "second", "third")


class Neighbours(NamedTuple):
    """Training pictures nearest to some others.

    Attributes:
        rows: Of the training split, int64 (N, 3), nearest first.
        distances: In the judge's features, each brought to a deviation of 1 over real pictures: (N, 3).
    """

    rows: NDArray[np.int64]
    distances: NDArray[np.float64]


def find_neighbours(
    evaluation: EvaluationParameters,
    run: RunParameters,
    pictures: ImageSplits,
    captioner_test_captions: pd.DataFrame,
    evaluator: ModelBundle,
    vae_pictures: Pixels,
    gan_pictures: Pixels,
    champion_pictures: Pixels,
    words_pictures: Pixels,
) -> tuple[dict[str, Any], Pixels]:
    """Compare how near drawn pictures come to training pictures with how near real test pictures do.

    Returns:
        As :func:`compare` gives them, and a sheet of the champion's pictures: those that come nearest to a
        training picture, and others evenly spread.
    """
    real = evaluated(evaluation, pictures, captioner_test_captions)
    drawn = drawn_by_path(vae_pictures, gan_pictures, champion_pictures, words_pictures)
    parameters = evaluation.memorisation
    rows = spread(len(real.images), parameters.n_drawn)
    some = {"real": real.images[rows]} | {path: images[rows] for path, images in drawn.items()}
    judge = Judge(evaluator, run, evaluation.batch_size)
    found = nearest(some, pictures.train.images, judge, parameters)
    n_train = len(pictures.train)
    figures = compare(found) | {"n_train": min(n_train, parameters.n_train or n_train), "n_drawn": len(rows)}
    sheet = show(rows, real, some["champion"], found, pictures.train.images, parameters.n_shown)
    return figures, sheet


def nearest(
    images: Mapping[str, Pixels], train_images: Pixels, judge: Judge, parameters: MemorisationParameters
) -> dict[str, Neighbours]:
    """The nearest training pictures of several sets of pictures.

    Training pictures are looked at part by part and once for all sets: memory does not grow with them.

    Args:
        images: Sets by name; ``real`` is the one whose features are brought to a deviation of 1.
        train_images: uint8 (N, H, W, 3).
        judge: Whose features count.
        parameters: How many training pictures at most.
    """
    features = {name: judge.look(some)[0] for name, some in images.items()}
    scale = Standardizer(features["real"])
    rows = spread(len(train_images), parameters.n_train)
    search = NearestNeighbors(
        np.concatenate([scale(some) for some in features.values()]), min(SHOWN, len(rows))
    )
    for start in range(0, len(rows), PART):
        search.update(scale(judge.look(train_images[rows[start : start + PART]])[0]))
    ends = np.cumsum([len(some) for some in images.values()])[:-1]
    parts = zip(np.split(rows[search.indices], ends), np.split(search.distances, ends), strict=True)
    return {name: Neighbours(*part) for name, part in zip(images, parts, strict=True)}


def compare(found: Mapping[str, Neighbours]) -> dict[str, Any]:
    """Distances to the nearest training picture beside those of real test pictures.

    Returns:
        By path ``distance_ratio`` (the median distance divided by that of real test pictures: about 1 for
        new pictures of the same kind, 0 for copies) and ``very_near_share`` (how many come nearer to a
        training picture than all but 1 % of real test pictures; real ones: 0.01); ``real`` with the
        ``median`` and the ``mark`` of that 1 %.
    """
    real = found["real"].distances[:, 0]
    median, mark = float(np.median(real)), float(np.quantile(real, VERY_NEAR))
    figures: dict[str, Any] = {"real": {"median": median, "mark": mark}}
    for path, one in found.items():
        if path != "real":
            distances = one.distances[:, 0]
            figures[path] = {
                "distance_ratio": float(np.median(distances)) / median if median else None,
                "very_near_share": float((distances < mark).mean()),
            }
    return figures


def show(
    rows: NDArray[np.intp],
    real: Evaluated,
    drawn: Pixels,
    found: Mapping[str, Neighbours],
    train_images: Pixels,
    n_shown: int,
) -> Pixels:
    """A sheet: drawn picture, its three nearest training pictures, and the distances.

    Args:
        rows: Test pictures whose captions were drawn.
        real: All test pictures, for the captions.
        drawn: The pictures, uint8 (N, H, W, 3), one for each row.
        found: Their neighbours under ``champion``, and those of real test pictures.
        train_images: The training pictures.
        n_shown: Rows of the sheet; half of them are those that come nearest, the rest evenly spread.
    """
    distances = found["champion"].distances
    order = np.argsort(distances[:, 0], kind="stable")
    near = order[: min(len(order), -(-n_shown // 2))]
    others = np.setdiff1d(np.arange(len(rows)), near)
    shown = np.concatenate([near, others[spread(len(others), n_shown - len(near))]]).astype(np.intp)
    columns: dict[str, Any] = {"drawn": drawn[shown]}
    for place, name in enumerate(ORDINALS[: distances.shape[1]]):
        columns[name] = np.asarray(train_images[found["champion"].rows[shown, place]])
    columns["distances"] = [
        f"{'nearest of all' if i < len(near) else 'evenly spread'}: "
        + ", ".join(f"{d:.1f}" for d in distances[row])
        for i, row in enumerate(shown)
    ]
    columns["caption"] = [real.asked[rows[row]] for row in shown]
    typical = float(np.median(found["real"].distances[:, 0]))
    title = f"Drawn by the champion, and the nearest training pictures (real test pictures: {typical:.1f})"
    return rows_sheet(columns, title=title)
