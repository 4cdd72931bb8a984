"""Quality of images drawn from validation captions, for the choice among variants of a generator.

The encoders are those of the features stage, which took part in training. So these metrics serve the choice
and are not reported as results; the evaluation measures the champion on test images with its own evaluator.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from lexipix.data.images import Images
from lexipix.evaluation.embedding import Embedder
from lexipix.metrics.distribution import Standardizer, kid
from lexipix.metrics.retrieval import CaptionRetrieval
from lexipix.scenes import SceneTruth

Pixels = NDArray[np.uint8]

N_CANDIDATES = 100
KID_SUBSETS, KID_SUBSET_SIZE = 20, 250
# Metrics whose loss is limited; KID is smaller for better images and is not among them
GATED = ("attribute_accuracy", "r_precision")


class TaskQuality:
    """Measures images drawn from given captions.

    Args:
        images: Real images, uint8 (N, S, S, 3).
        captions: Theirs; one image is drawn from each.
        embedder: Of the contrastive pair.
        is_scenes: Whether the captions describe embedded scenes.
        seed: Of all random choices.
    """

    def __init__(
        self, images: Images, captions: Sequence[str], embedder: Embedder, is_scenes: bool, seed: int
    ) -> None:
        real = np.asarray(images[np.arange(len(captions))])
        self.captions, self._embedder, self._seed = list(captions), embedder, seed
        features = embedder.embed_images(real)[0]
        self._standardize = Standardizer(features)
        self._real = self._standardize(features)
        texts = embedder.embed_texts(self.captions)
        self._retrieval = CaptionRetrieval(self.captions, texts, N_CANDIDATES, seed)
        self._truth = SceneTruth.of(self.captions, real.shape[1]) if is_scenes else None

    def __call__(self, drawn: Pixels) -> dict[str, float]:
        """Returns ``kid``, and where they apply ``r_precision`` and ``attribute_accuracy``."""
        features, embeddings = self._embedder.embed_images(drawn)
        size = min(KID_SUBSET_SIZE, len(drawn))
        metrics = {}
        if self._truth is not None:
            metrics["attribute_accuracy"] = self._truth.accuracy(drawn)
        if self._retrieval.n_candidates() >= 2:
            metrics["r_precision"] = self._retrieval.r_precision(embeddings)
        metrics["kid"] = kid(self._real, self._standardize(features), KID_SUBSETS, size, self._seed)[0]
        return metrics


def quality_loss(
    metrics: Mapping[str, float], baseline: Mapping[str, float], gated: Sequence[str] = GATED
) -> float:
    """Returns the largest share of a metric that a variant loses to the baseline; 0 if it loses nothing.

    Args:
        metrics: Of the variant, as :class:`TaskQuality` returns them; a missing one counts as 0.
        baseline: Of the baseline.
        gated: The metrics that count.
    """
    return max([0.0, *(1 - metrics.get(key, 0.0) / baseline[key] for key in gated if baseline.get(key))])
