"""How well pictures drawn from validation captions do their task, for choosing among forms of a generator.

The image and text encoders are the features stage's, which took part in training, so that these figures
choose and are never reported as results; the evaluation judges the chosen form on test pictures with a judge
of its own.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from lexipix.data.images import Images
from lexipix.evaluation.embedding import Embedder
from lexipix.metrics.distribution import Standardizer, kid
from lexipix.metrics.retrieval import max_candidates, r_precision
from lexipix.scenes import SceneTruth

Pixels = NDArray[np.uint8]

N_CANDIDATES = 100
KID_SUBSETS, KID_SUBSET_SIZE = 20, 250
# What a form may lose a share of; KID is smaller for better pictures and stands beside them
GATED = ("attribute_accuracy", "r_precision")


class TaskQuality:
    """Figures of pictures drawn from given captions.

    Args:
        images: Real pictures, uint8 (N, S, S, 3).
        captions: Theirs; pictures are drawn from them, one each.
        judge: A contrastive pair.
        is_scenes: Whether captions describe embedded scenes, which the oracle reads back.
        seed: Of the draws.
    """

    def __init__(
        self, images: Images, captions: Sequence[str], judge: Embedder, is_scenes: bool, seed: int
    ) -> None:
        real = np.asarray(images[np.arange(len(captions))])
        self.captions, self._judge, self._seed = list(captions), judge, seed
        features = judge.embed_images(real)[0]
        self._standardised = Standardizer(features)
        self._real = self._standardised(features)
        self._texts = judge.embed_texts(self.captions)
        self._truth = SceneTruth.of(self.captions, real.shape[1]) if is_scenes else None
        self._n_candidates = min(N_CANDIDATES, max_candidates(self.captions))

    def __call__(self, drawn: Pixels) -> dict[str, float]:
        """``kid``, and where they apply ``r_precision`` and ``attribute_accuracy``."""
        features, vectors = self._judge.embed_images(drawn)
        size = min(KID_SUBSET_SIZE, len(drawn))
        figures = {}
        if self._truth is not None:
            figures["attribute_accuracy"] = self._truth.accuracy(drawn)
        if self._n_candidates >= 2:
            figures["r_precision"] = r_precision(
                vectors, self._texts, self.captions, self._n_candidates, self._seed
            )
        figures["kid"] = kid(self._real, self._standardised(features), KID_SUBSETS, size, self._seed)[0]
        return figures


def quality_loss(
    figures: Mapping[str, float], whole: Mapping[str, float], gated: Sequence[str] = GATED
) -> float:
    """The largest share that a form loses of what the whole network scores; 0 where it loses nothing.

    Args:
        figures: Of the form, as :class:`TaskQuality` gives them; what was not judged is lost.
        whole: Of the whole network in fp32.
        gated: The figures that count.
    """
    return max([0.0, *(1 - figures.get(key, 0.0) / whole[key] for key in gated if whole.get(key))])
