"""Metrics of the direct and the text path on images that are already generated."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lexipix.config.evaluation import EvaluationParameters
from lexipix.evaluation.baselines import mean_psnr_ssim, measure_baselines
from lexipix.evaluation.embedding import CaptionRetrieval, Embedder, Embeddings
from lexipix.evaluation.evaluated_images import EvaluatedImages
from lexipix.metrics import distribution
from lexipix.metrics.images import gradient_magnitude

Pixels = NDArray[np.uint8]
RECALL_SAMPLE = 2_000  # recall compares all pairs; more images change its third digit only


class TextPathMetrics:
    """Compares images that were drawn from prompts with the real images of these prompts.

    Args:
        real: The images under evaluation.
        embedder: Of the evaluator.
        evaluation: Parameters.
        seed: Of all random choices.

    Attributes:
        image_embeddings: Unit vectors of the real images, (N, D).
        n_candidates: Captions that R-precision chooses among; it is not defined below 2.
    """

    def __init__(
        self, real: EvaluatedImages, embedder: Embedder, evaluation: EvaluationParameters, seed: int
    ) -> None:
        self._real, self._embedder, self._evaluation, self._seed = real, embedder, evaluation, seed
        features, self.image_embeddings = embedder.embed_images(real.images)
        self._scale = distribution.Standardizer(features)
        self._features = self._scale(features)
        prompts = real.prompts
        self._retrieval = CaptionRetrieval(
            prompts, embedder.embed_texts(prompts), evaluation.n_candidates, seed
        )
        self.n_candidates = self._retrieval.n_candidates()
        self._sharpness = gradient_magnitude(real.images)

    def distances(self, features: Embeddings) -> dict[str, float]:
        """Returns :func:`distribution_distances` of other features (M, F) to those of the real images."""
        return distribution_distances(self._features, self._scale(features), self._evaluation, self._seed)

    def __call__(self, images: Pixels) -> tuple[dict[str, float], dict[str, float | None]]:
        """Returns the metrics of images drawn from the prompts, and additional ones.

        Args:
            images: uint8 (N, H, W, 3), in the order of the real images.

        Returns:
            ``psnr``, ``ssim``, ``kid``, and where they apply ``attribute_accuracy`` and ``r_precision``; then
            ``frechet``, ``precision``, ``recall``, and ``sharpness`` as a share of that of the real images.
        """
        features, embeddings = self._embedder.embed_images(images)
        distances = self.distances(features)
        metrics = mean_psnr_ssim(self._real.images, images) | {"kid": distances["kid"]}
        if self._real.scenes is not None:
            metrics["attribute_accuracy"] = self._real.scenes.accuracy(images)
        if self.n_candidates >= 2:
            metrics["r_precision"] = self._retrieval.r_precision(embeddings)
        extras: dict[str, float | None] = {key: distances[key] for key in ("frechet", "precision", "recall")}
        extras["sharpness"] = gradient_magnitude(images) / self._sharpness if self._sharpness else None
        return metrics, extras


def measure_paths(
    real: EvaluatedImages,
    direct: Pixels,
    drawn: Mapping[str, Pixels],
    train_images: Pixels,
    train_table: pd.DataFrame,
    embedder: Embedder,
    evaluation: EvaluationParameters,
    seed: int,
) -> dict[str, Any]:
    """Returns the metrics of both paths, their baselines and ceilings.

    Args:
        real: The images under evaluation.
        direct: The same, through the latent and back.
        drawn: By path (``vae``, ``gan``, …) the images drawn from ``real.prompts``.
        train_images: The training split, for the baselines and the distance of real images to real ones.
        train_table: Its captions and labels.
        embedder: Of the evaluator.
        evaluation: Parameters.
        seed: Of all random choices.

    Returns:
        JSON-able: ``direct``, ``text``, ``baseline``, ``ceiling`` as in ``metrics.json``; ``extras`` (more
        metrics of the text path), ``real_vs_real`` (distances of training to test images), ``n_images``,
        ``n_candidates``.
    """
    text_path = TextPathMetrics(real, embedder, evaluation, seed)
    others = np.random.default_rng(seed).permutation(len(train_images))[: len(real.images)]
    other_features = embedder.embed_images(train_images[np.sort(others)])[0]
    metrics: dict[str, Any] = {
        "direct": mean_psnr_ssim(real.images, direct),
        "text": {},
        "baseline": measure_baselines(real, train_images, train_table, seed),
        "ceiling": {},
        "extras": {},
        "real_vs_real": text_path.distances(other_features),
        "n_images": len(real.images),
        "n_candidates": text_path.n_candidates if text_path.n_candidates >= 2 else None,
    }
    metrics["baseline"] |= _real_r_precision(real, text_path.image_embeddings, embedder, evaluation, seed)
    for path, images in drawn.items():
        metrics["text"][path], metrics["extras"][path] = text_path(images)
    if real.scenes is not None:
        best = real.scenes.redraw(None)
        accuracy = real.scenes.accuracy(best)
        metrics["ceiling"] = mean_psnr_ssim(real.images, best) | {"attribute_accuracy": accuracy}
    return metrics


def distribution_distances(
    real: Embeddings, others: Embeddings, evaluation: EvaluationParameters, seed: int
) -> dict[str, float]:
    """Returns kernel and Fréchet distance, precision and recall of two sets of standardized features."""
    size = min(evaluation.kid_subset_size, len(real), len(others))
    mean, deviation = distribution.kid(real, others, evaluation.kid_subsets, size, seed)
    sample, other_sample = real[:RECALL_SAMPLE], others[:RECALL_SAMPLE]
    neighbor = min(3, min(len(sample), len(other_sample)) - 1)
    precision, recall = distribution.precision_recall(sample, other_sample, neighbor)
    return {
        "kid": mean,
        "kid_std": deviation,
        "frechet": distribution.frechet_distance(real, others),
        "precision": precision,
        "recall": recall,
    }


def _real_r_precision(
    real: EvaluatedImages,
    image_embeddings: Embeddings,
    embedder: Embedder,
    evaluation: EvaluationParameters,
    seed: int,
) -> dict[str, dict[str, float]]:
    """R-precision of real images with their true captions (``real``), and with shuffled ones."""
    indices = np.array([i for i, text in enumerate(real.references) if text], np.intp)
    captions = [str(real.references[i]) for i in indices]
    if not captions:
        return {}
    texts = embedder.embed_texts(captions)
    retrieval = CaptionRetrieval(captions, texts, evaluation.n_candidates, seed)
    if retrieval.n_candidates() < 2:
        return {}
    shuffled = np.random.default_rng(seed).permutation(len(indices))
    embeddings = image_embeddings[indices]
    return {
        "real": {"r_precision": retrieval.r_precision(embeddings)},
        "shuffled": {"r_precision": retrieval.r_precision(embeddings, shuffled)},
    }
