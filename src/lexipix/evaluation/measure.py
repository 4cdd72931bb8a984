"""Every figure of both paths, measured on pictures that are already drawn."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lexipix.config.evaluation import EvaluationParameters
from lexipix.evaluation.baselines import mean_image, quality, same_caption_rows
from lexipix.evaluation.embedding import Judge, Vectors
from lexipix.metrics import distribution
from lexipix.metrics.images import gradient_magnitude, ssim
from lexipix.metrics.retrieval import max_candidates, r_precision
from lexipix.scenes import SceneTruth
from lexipix.utils.errors import LexipixError
from lexipix.utils.types import ImageSplits

Pixels = NDArray[np.uint8]
RECALL_SAMPLE = 2_000  # recall compares every pair; beyond this number it changes in the third digit only


@dataclass(frozen=True)
class Evaluated:
    """The pictures under evaluation and what is known of them.

    Attributes:
        images: uint8 (N, H, W, 3), real.
        table: Their rows of ``captions.parquet``.
        truths: The true captions; None where a picture came without.
        asked: The captions that the text path draws from.
        scenes: The truth of embedded scenes, else None.
    """

    images: Pixels
    table: pd.DataFrame
    truths: Sequence[str | None]
    asked: Sequence[str]
    scenes: SceneTruth | None


def evaluated(
    evaluation: EvaluationParameters, pictures: ImageSplits, test_captions: pd.DataFrame
) -> Evaluated:
    """The test pictures under evaluation with their true and their generated captions.

    Raises:
        LexipixError: The captions are of other pictures.
    """
    test = pictures.test
    if test_captions["file"].tolist() != test.captions["file"].tolist():
        raise LexipixError(
            "The generated captions of the test pictures are of other pictures than those ingested last: "
            "run `kedro run --pipelines captioner` again."
        )
    rows = spread(len(test), evaluation.n_images)
    table = test.captions.iloc[rows].reset_index(drop=True)
    truths = [
        text if isinstance(text, str) else None
        for text in table["caption"].where(table["caption"].notna(), table["withheld_caption"])
    ]
    images = test.images if len(rows) == len(test) else test.images[rows]
    asked = [str(text) for text in test_captions["caption"].iloc[rows]]
    is_scenes = pictures.summary.get("source") == "scenes" and all(truths)
    scenes = SceneTruth.of([str(t) for t in truths], images.shape[1]) if is_scenes else None
    return Evaluated(images, table, truths, asked, scenes)


def spread(n: int, most: int | None) -> NDArray[np.intp]:
    """At most so many (None: all) of the row numbers below n, evenly spread."""
    n_rows = n if most is None else min(n, most)
    if not n_rows:
        return np.zeros(0, np.intp)
    return np.unique(np.linspace(0, n - 1, n_rows).round().astype(np.intp))


class TextPath:
    """The evaluator's look at real pictures, ready to judge what is drawn from their captions.

    Args:
        real: The pictures under evaluation.
        judge: The evaluator.
        evaluation: Parameters.
        seed: Of every draw.

    Attributes:
        vectors: The judge's unit vectors of the real pictures, (N, D).
        n_candidates: Captions that R-precision chooses among; below 2 it does not apply.
    """

    def __init__(self, real: Evaluated, judge: Judge, evaluation: EvaluationParameters, seed: int) -> None:
        self._real, self._judge, self._evaluation, self._seed = real, judge, evaluation, seed
        features, self.vectors = judge.look(real.images)
        self._scale = distribution.Standardizer(features)
        self._features = self._scale(features)
        self.n_candidates = min(evaluation.n_candidates, max_candidates(real.asked))
        self._texts = judge.read(real.asked)
        self._sharpness = gradient_magnitude(real.images)

    def distances(self, features: Vectors) -> dict[str, float]:
        """As :func:`distances`, of the judge's features (M, F) of other pictures to the real ones."""
        return distances(self._features, self._scale(features), self._evaluation, self._seed)

    def __call__(self, images: Pixels) -> tuple[dict[str, float], dict[str, float | None]]:
        """Figures of pictures drawn from the captions, and further ones.

        Args:
            images: uint8 (N, H, W, 3), in the order of the real ones.

        Returns:
            ``psnr``, ``ssim``, ``kid``, and where they apply ``attribute_accuracy`` and ``r_precision``; then
            ``frechet``, ``precision``, ``recall``, and ``sharpness`` as a share of that of the real pictures.
        """
        features, vectors = self._judge.look(images)
        apart = self.distances(features)
        figures = quality(self._real.images, images) | {"kid": apart["kid"]}
        if self._real.scenes is not None:
            figures["attribute_accuracy"] = self._real.scenes.accuracy(images)
        if self.n_candidates >= 2:
            figures["r_precision"] = r_precision(
                vectors, self._texts, self._real.asked, self.n_candidates, self._seed
            )
        extras: dict[str, float | None] = {key: apart[key] for key in ("frechet", "precision", "recall")}
        extras["sharpness"] = gradient_magnitude(images) / self._sharpness if self._sharpness else None
        return figures, extras


def measure_paths(
    real: Evaluated,
    direct: Pixels,
    drawn: Mapping[str, Pixels],
    train_images: Pixels,
    train_table: pd.DataFrame,
    judge: Judge,
    evaluation: EvaluationParameters,
    seed: int,
) -> dict[str, Any]:
    """All figures of both paths, their baselines and ceilings.

    Args:
        real: The pictures under evaluation.
        direct: They, through the latent and back.
        drawn: By path (``vae``, ``gan``, …) the pictures drawn from ``real.asked``.
        train_images: The training split, for baselines and the floor of the distances.
        train_table: Its captions and labels.
        judge: The evaluator.
        evaluation: Parameters.
        seed: Of every draw.

    Returns:
        JSON-able: ``direct``, ``text``, ``baseline``, ``ceiling`` as in ``metrics.json``; ``extras`` (further
        figures of the text path), ``floor`` (real against real), ``n_images``, ``n_candidates``.
    """
    text_path = TextPath(real, judge, evaluation, seed)
    floor_rows = np.random.default_rng(seed).permutation(len(train_images))[: len(real.images)]
    other_real = judge.look(train_images[np.sort(floor_rows)])[0]
    figures: dict[str, Any] = {
        "direct": quality(real.images, direct),
        "text": {},
        "baseline": baselines(real, train_images, train_table, seed),
        "ceiling": {},
        "extras": {},
        "floor": text_path.distances(other_real),
        "n_images": len(real.images),
        "n_candidates": text_path.n_candidates if text_path.n_candidates >= 2 else None,
    }
    figures["baseline"] |= _judged_reals(real, text_path.vectors, judge, evaluation, seed)
    for path, images in drawn.items():
        figures["text"][path], figures["extras"][path] = text_path(images)
    if real.scenes is not None:
        best = real.scenes.redraw(None)
        figures["ceiling"] = quality(real.images, best) | {"attribute_accuracy": real.scenes.accuracy(best)}
    return figures


def baselines(
    real: Evaluated, train_images: Pixels, train_table: pd.DataFrame, seed: int
) -> dict[str, dict[str, float]]:
    """PSNR and SSIM of the mean image and of another picture with the same caption.

    The embedded scenes have so many captions that hardly two pictures share one; there the other picture is
    the caption drawn afresh, with its own jitter, which is how a second picture would have come to be.
    """
    mean = np.broadcast_to(mean_image(train_images), real.images.shape)
    figures = {"mean_image": quality(real.images, mean)}
    if real.scenes is not None:
        figures["same_caption"] = quality(real.images, real.scenes.redraw(seed))
    else:
        asked = real.table.assign(caption=pd.Series(list(real.truths), dtype=object))
        rows, partners = same_caption_rows(asked, train_table, seed)
        if len(rows):
            figures["same_caption"] = quality(real.images[rows], train_images[partners])
    return figures


def distances(
    real: Vectors, others: Vectors, evaluation: EvaluationParameters, seed: int
) -> dict[str, float]:
    """Kernel and Fréchet distance, precision and recall of two sets of scaled features."""
    size = min(evaluation.kid_subset_size, len(real), len(others))
    mean, deviation = distribution.kid(real, others, evaluation.kid_subsets, size, seed)
    few, few_others = real[:RECALL_SAMPLE], others[:RECALL_SAMPLE]
    neighbor = min(3, min(len(few), len(few_others)) - 1)
    precision, recall = distribution.precision_recall(few, few_others, neighbor)
    return {
        "kid": mean,
        "kid_std": deviation,
        "frechet": distribution.frechet_distance(real, others),
        "precision": precision,
        "recall": recall,
    }


def extremes(real: Evaluated, drawn: Mapping[str, Pixels], n: int) -> tuple[list[int], list[int]]:
    """Rows of the best and the worst pictures of the text path, by the mean SSIM over its models."""
    means = np.mean([ssim(real.images, images) for images in drawn.values()], axis=0)
    order = np.argsort(-means, kind="stable")
    n = min(n, len(order) // 2)
    return order[:n].tolist(), order[::-1][:n].tolist()


def _judged_reals(
    real: Evaluated, vectors: Vectors, judge: Judge, evaluation: EvaluationParameters, seed: int
) -> dict[str, dict[str, float]]:
    """R-precision of real pictures with their true captions, and with the captions dealt out anew."""
    rows = np.array([i for i, truth in enumerate(real.truths) if truth], np.intp)
    texts = [str(real.truths[i]) for i in rows]
    n_candidates = min(evaluation.n_candidates, max_candidates(texts))
    if n_candidates < 2:
        return {}
    read = judge.read(texts)
    dealt = np.random.default_rng(seed).permutation(len(rows))
    return {
        "real": {"r_precision": r_precision(vectors[rows], read, texts, n_candidates, seed)},
        "shuffled": {
            "r_precision": r_precision(
                vectors[rows], read[dealt], [texts[i] for i in dealt], n_candidates, seed
            )
        },
    }
