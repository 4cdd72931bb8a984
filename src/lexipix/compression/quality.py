"""Quality of images drawn from validation captions, for the choice among variants of a generator.

The encoders are those of the features stage, which took part in training: these metrics are no results.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from lexipix.config.run import RunParameters
from lexipix.data.captioned import for_training
from lexipix.evaluation.caption_metrics import is_scenes
from lexipix.evaluation.embedding import Embedder
from lexipix.metrics.distribution import Standardizer, kid
from lexipix.metrics.retrieval import CaptionRetrieval
from lexipix.models.contrastive_pair import ContrastivePair
from lexipix.scenes import SceneTruth
from lexipix.utils.types import ImageSplits, ModelBundle

N_CANDIDATES = 100
KID_SUBSETS, KID_SUBSET_SIZE = 20, 250
EMBEDDING_BATCH = 250
# Metrics whose loss is limited; KID is smaller for better images and is not among them
GATED = ("attribute_accuracy", "r_precision", "image_similarity")


class TaskQuality:
    """Measures images drawn from at most ``n_images`` validation captions, one of each."""

    def __init__(
        self, image_splits: ImageSplits, n_images: int, contrastive_pair: ModelBundle, run: RunParameters
    ) -> None:
        validation = for_training(image_splits.train, image_splits.val, "compression")[1]
        self.captions = list(validation.captions[:n_images])
        self._embedder = Embedder(ContrastivePair, contrastive_pair, run, EMBEDDING_BATCH)
        self._seed = run.seed
        real = np.asarray(validation.images[np.arange(len(self.captions))])
        features, self._real_vectors = self._embedder.embed_images(real)
        self._standardize = Standardizer(features)
        self._real = self._standardize(features)
        texts = self._embedder.embed_texts(self.captions)
        self._retrieval = CaptionRetrieval(self.captions, texts, N_CANDIDATES, run.seed)
        scenes = is_scenes(image_splits.summary)
        self._truth = SceneTruth.of(self.captions, real.shape[1]) if scenes else None

    def __call__(self, drawn: NDArray[np.uint8]) -> dict[str, float]:
        """Returns ``kid`` and ``image_similarity``, and what applies of the other two gated metrics."""
        features, embeddings = self._embedder.embed_images(drawn)
        size = min(KID_SUBSET_SIZE, len(drawn))
        metrics = {"image_similarity": float((embeddings * self._real_vectors).sum(1).mean())}
        if self._truth is not None:
            metrics["attribute_accuracy"] = self._truth.accuracy(drawn)
        if self._retrieval.n_candidates() >= 2:
            metrics["r_precision"] = self._retrieval.r_precision(embeddings)
        metrics["kid"] = kid(self._real, self._standardize(features), KID_SUBSETS, size, self._seed)[0]
        return metrics


def quality_loss(
    metrics: Mapping[str, float], baseline: Mapping[str, float], gated: Sequence[str] = GATED
) -> float:
    """Returns the largest share of a gated metric that a variant loses to the baseline, at least 0.

    A metric that the variant lacks counts as 0.
    """
    return max([0.0, *(1 - metrics.get(key, 0.0) / baseline[key] for key in gated if baseline.get(key))])
