"""Images drawn from true captions, as a user types them: of test, of training, and of held-out pairs.

The captions of test images are ``unseen`` where no training image has them, as in folders of named images.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from lexipix.config.evaluation import EvaluationParameters
from lexipix.data.captioned import CaptionedImages, captioned
from lexipix.data.images import Images, evenly_spaced
from lexipix.evaluation.baselines import mean_psnr_ssim
from lexipix.evaluation.embedding import Embedder
from lexipix.evaluation.evaluated_images import Pixels
from lexipix.evaluation.retrieval_baseline import RetrievalBaseline
from lexipix.evaluation.text_paths import DrawCaptions
from lexipix.metrics.artifacts import flat_ripple, ghost_index, period_power
from lexipix.metrics.images import psnr
from lexipix.metrics.retrieval import CaptionRetrieval
from lexipix.utils.types import ImageSplits, Split

PROMPTS = {"unseen": "test", "seen": "train", "pairs": "pairs"}  # name -> split
MAX_PARAPHRASES = 4  # wordings of an image, the caption among them, that are drawn from
_ROWS = 2048  # training images that are compared at a time


def choose_prompts(split: Split, limit: int, *, unique: bool = False) -> CaptionedImages:
    """Returns at most ``limit`` captioned images of a split, evenly spaced.

    With ``unique`` only those whose caption names no other image of the split, unless there are fewer than
    ``limit``: their pixels can be compared with what is drawn.
    """
    data = captioned(split)
    indices = np.arange(len(data))
    if unique:
        counts = Counter(data.captions)
        alone = np.array([i for i, text in enumerate(data.captions) if counts[text] == 1], np.intp)
        indices = alone if len(alone) >= limit else indices
    indices = indices[evenly_spaced(len(indices), limit)]
    rows = indices.tolist()
    captions, paraphrases = [data.captions[i] for i in rows], [data.paraphrases[i] for i in rows]
    return CaptionedImages(data.images[indices], captions, paraphrases)


def prompt_metrics(
    image_splits: ImageSplits,
    paths: Mapping[str, DrawCaptions],
    embedder: Embedder,
    evaluation: EvaluationParameters,
    seed: int,
) -> dict[str, Any]:
    """Draws from ``n_prompts`` captions of each of :data:`PROMPTS` and measures the images.

    Returns:
        JSON-able: by name and by path, ``real`` and ``retrieved`` among them, the metrics of
        :class:`PromptMetrics`; ``paraphrases``, the champion's R-precision by the number of the wording that
        was drawn from; ``n``, the number of captions. Splits with fewer than two captions are absent.
    """
    metrics: dict[str, Any] = {}
    train = captioned(image_splits.train)
    drawing: dict[str, DrawCaptions] = {"retrieved": RetrievalBaseline(image_splits.train), **paths}
    for name, split in PROMPTS.items():
        prompts = choose_prompts(image_splits[split], evaluation.n_prompts, unique=name == "seen")
        if len(set(prompts.captions)) < 2:
            continue
        measure = PromptMetrics(prompts, embedder, train.images, evaluation.n_candidates, seed)
        group: dict[str, Any] = {"real": measure.of_real(is_train=name == "seen")}
        group |= {path: measure(draw(prompts.captions)) for path, draw in drawing.items()}
        if "champion" in paths:
            group["paraphrases"] = measure.paraphrases(paths["champion"])
        metrics[name] = {**group, "n": len(prompts)}
    return metrics


class PromptMetrics:
    """Measures images that were drawn from captions, beside the real images of these captions."""

    def __init__(
        self, prompts: CaptionedImages, embedder: Embedder, train_images: Images, n_candidates: int, seed: int
    ) -> None:
        self._embedder, self._train_images = embedder, train_images
        self._wordings = [
            [text, *others] for text, others in zip(prompts.captions, prompts.paraphrases, strict=True)
        ]
        texts = embedder.embed_paraphrases(self._wordings)
        self._retrieval = CaptionRetrieval(prompts.captions, texts, n_candidates, seed)
        self._real = np.asarray(prompts.images)
        self._embeddings = embedder.embed_images(self._real)[1]

    def __call__(self, images: Pixels) -> dict[str, float | None]:
        """Returns the metrics of one image for each caption, uint8 (N, H, W, 3).

        ``r_precision`` by the evaluator; ``image_similarity``, the mean cosine of the evaluator's vectors of
        the drawn and the true image: an image that is typical of its caption has the first without the
        second; ``psnr`` and ``ssim`` to the true image; ``flat_ripple``, ``ghost_index``, and
        ``period2_power``, ``period4_power``, ``period8_power`` of :mod:`lexipix.metrics.artifacts`;
        ``nearest_train_psnr``, the mean PSNR to the most similar training image, at most 100 dB for a copy.
        """
        embeddings = self._embedder.embed_images(images)[1]
        return {
            "r_precision": self._retrieval.r_precision(embeddings),
            "image_similarity": float((embeddings * self._embeddings).sum(axis=1).mean()),
            **mean_psnr_ssim(self._real, images),
            **self._artifacts(images),
            "nearest_train_psnr": nearest_train_psnr(images, self._train_images),
        }

    def of_real(self, *, is_train: bool) -> dict[str, float | None]:
        """Returns those metrics of the real images that compare them with nothing of their own."""
        metrics = {
            "r_precision": self._retrieval.r_precision(self._embeddings),
            **self._artifacts(self._real),
        }
        if not is_train:
            metrics["nearest_train_psnr"] = nearest_train_psnr(self._real, self._train_images)
        return metrics

    def paraphrases(self, draw: DrawCaptions) -> dict[str, float]:
        """Returns R-precision by number of the wording, from the second one on, that was drawn from."""
        found = {}
        for number in range(2, MAX_PARAPHRASES + 1):
            indices = np.array([i for i, texts in enumerate(self._wordings) if len(texts) >= number], np.intp)
            if self._retrieval.n_candidates(indices) >= 2:
                images = draw([self._wordings[i][number - 1] for i in indices])
                embeddings = self._embedder.embed_images(images)[1]
                found[str(number)] = self._retrieval.r_precision(embeddings, indices)
        return found

    def _artifacts(self, images: Pixels) -> dict[str, float | None]:
        powers = period_power(images, self._real)
        return {
            "flat_ripple": flat_ripple(images, self._real),
            "ghost_index": ghost_index(images, self._real),
            **{f"period{period}_power": power for period, power in powers.items()},
        }


def nearest_train_psnr(images: Pixels, train_images: Images) -> float:
    """Returns the mean PSNR in dB of images, uint8 (N, H, W, 3), to the nearest training image of each."""
    flat = _flat(images)
    least, nearest = np.full(len(flat), np.inf), np.zeros(len(flat), np.int64)
    for start in range(0, len(train_images), _ROWS):
        rows = np.arange(start, min(start + _ROWS, len(train_images)))
        others = _flat(train_images[rows])
        distances = np.square(others).sum(axis=1) - 2 * flat @ others.T  # but for what all rows share
        place = distances.argmin(axis=1)
        distance = distances[np.arange(len(flat)), place]
        nearest[distance < least] = rows[place][distance < least]
        least = np.minimum(least, distance)
    return float(psnr(images, train_images[nearest]).mean())


def _flat(images: Sequence[Any] | Pixels) -> Any:
    """Images as rows of numbers in [0, 1]: float32 (N, H W 3)."""
    pixels = np.asarray(images)
    return (pixels.reshape(len(pixels), -1) / np.float32(255)).astype(np.float32)
