"""Metrics of the direct and the text path on images that are already generated."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from lexipix.config.evaluation import EvaluationParameters
from lexipix.evaluation.baselines import mean_psnr_of_alpha, mean_psnr_ssim, measure_baselines
from lexipix.evaluation.embedding import Embedder, Embeddings
from lexipix.evaluation.evaluated_images import EvaluatedImages, Pixels
from lexipix.evaluation.retrieval_baseline import RetrievalBaseline
from lexipix.metrics import distribution
from lexipix.metrics.images import gradient_magnitude
from lexipix.metrics.retrieval import CaptionRetrieval
from lexipix.utils.types import Split

RECALL_SAMPLE = 2_000  # recall compares all pairs; more images change its third digit only


class TextPathMetrics:
    """Compares images that were drawn from prompts with the real images of these prompts.

    Attributes:
        n_candidates: Captions that R-precision chooses among; it is not defined below 2.
    """

    def __init__(
        self, real: EvaluatedImages, embedder: Embedder, evaluation: EvaluationParameters, seed: int
    ) -> None:
        self._real, self._embedder, self._evaluation, self._seed = real, embedder, evaluation, seed
        features, self._embeddings = embedder.embed_images(real.images)
        self._scale = distribution.Standardizer(features)
        self._features = self._scale(features)
        self._retrieval = self._retrieval_of(real.prompts)
        self.n_candidates = self._retrieval.n_candidates()
        self._sharpness = gradient_magnitude(real.images)

    def distances(self, features: Embeddings) -> dict[str, float]:
        """Returns kernel and Fréchet distance, precision and recall of other features (M, F) to the real."""
        real, others, evaluation = self._features, self._scale(features), self._evaluation
        kid, kid_std = distribution.kid(
            real, others, evaluation.kid_subsets, evaluation.kid_subset_size, self._seed
        )
        precision, recall = distribution.precision_recall(real[:RECALL_SAMPLE], others[:RECALL_SAMPLE])
        return {
            "kid": kid,
            "kid_std": kid_std,
            "frechet": distribution.frechet_distance(real, others),
            "precision": precision,
            "recall": recall,
        }

    def __call__(self, images: Pixels) -> tuple[dict[str, float], dict[str, float | None]]:
        """Returns the metrics of images drawn from the prompts, uint8 (N, H, W, 3), and additional ones.

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

    def captions_r_precision(self) -> float | None:
        """Returns how often the evaluator finds the caption that was generated for a real image."""
        return self._retrieval.r_precision(self._embeddings) if self.n_candidates >= 2 else None

    def r_precision_baselines(self) -> dict[str, dict[str, float]]:
        """Returns R-precision of real images with their true captions (``real``), and with shuffled ones."""
        indices = np.array([i for i, text in enumerate(self._real.references) if text], np.intp)
        captions = [str(self._real.references[i]) for i in indices]
        if len(set(captions)) < 2:
            return {}
        retrieval, embeddings = self._retrieval_of(captions), self._embeddings[indices]
        shuffled = np.random.default_rng(self._seed).permutation(len(indices))
        return {
            "real": {"r_precision": retrieval.r_precision(embeddings)},
            "shuffled": {"r_precision": retrieval.r_precision(embeddings, shuffled)},
        }

    def _retrieval_of(self, captions: Sequence[str]) -> CaptionRetrieval:
        texts = self._embedder.embed_texts(captions)
        return CaptionRetrieval(captions, texts, self._evaluation.n_candidates, self._seed)


def measure_paths(
    real: EvaluatedImages,
    direct: Pixels,
    drawn: Mapping[str, Pixels],
    train: Split,
    embedder: Embedder,
    evaluation: EvaluationParameters,
    seed: int,
) -> dict[str, Any]:
    """Returns the metrics of both paths, their baselines and ceilings.

    ``direct`` are the real images through the latent and back, ``drawn`` by path those drawn from their
    prompts. The training split serves the baselines and the distance of real images to real ones.

    Returns:
        JSON-able: ``direct``, ``text``, ``baseline``, ``ceiling`` as in ``metrics.json``; ``captioner`` (its
        ``r_precision``); ``extras`` (more metrics of the text path), ``real_vs_real`` (distances of training
        to test images), ``n_images``, ``n_candidates``.
    """
    text_path = TextPathMetrics(real, embedder, evaluation, seed)
    others = np.random.default_rng(seed).permutation(len(train))[: len(real.images)]
    other_features = embedder.embed_images(train.images[np.sort(others)])[0]
    metrics: dict[str, Any] = {
        "direct": mean_psnr_ssim(real.images, direct) | mean_psnr_of_alpha(real.images, direct),
        "text": {},
        "captioner": {"r_precision": text_path.captions_r_precision()},
        "baseline": measure_baselines(real, train, seed) | text_path.r_precision_baselines(),
        "ceiling": {},
        "extras": {},
        "real_vs_real": text_path.distances(other_features),
        "n_images": len(real.images),
        "n_candidates": text_path.n_candidates if text_path.n_candidates >= 2 else None,
    }
    for path, images in drawn.items():
        metrics["text"][path], metrics["extras"][path] = text_path(images)
    if train.captions["caption"].notna().any():
        retrieved, metrics["extras"]["retrieved"] = text_path(RetrievalBaseline(train)(real.prompts))
        metrics["baseline"]["retrieved"] = retrieved
    if real.scenes is not None:
        best = real.scenes.redraw(None)
        accuracy = real.scenes.accuracy(best)
        metrics["ceiling"] = mean_psnr_ssim(real.images, best) | {"attribute_accuracy": accuracy}
    return metrics
