"""Images with class labels: which classes count, and the images of a split that belong to them."""

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lexipix.data.images import Images, Subset
from lexipix.evaluation.evaluated_images import reference_captions
from lexipix.training.tasks.classifier import Numbers
from lexipix.utils.types import ImageSplits, Split

DIGEST_CHUNK = 1024  # images in memory while a digest is computed


@dataclass(frozen=True)
class LabeledImages:
    """Images with the indices of their classes.

    Attributes:
        images: uint8 (N, S, S, 3), read on access.
        labels: int64 (N,), indices into the list of classes.
        captions: N true captions; empty for an image without one.
        classes: Names of the classes.
    """

    images: Images
    labels: Numbers
    captions: list[str]
    classes: list[str]

    def __len__(self) -> int:
        return len(self.labels)

    def select(self, indices: NDArray[np.int64]) -> "LabeledImages":
        """Returns the images of the given indices."""
        captions = [self.captions[i] for i in indices]
        return LabeledImages(Subset(self.images, indices), self.labels[indices], captions, self.classes)

    def digest(self) -> str:
        """Returns a SHA-256 of images and labels."""
        content = hashlib.sha256(self.labels.tobytes())
        for start in range(0, len(self), DIGEST_CHUNK):
            indices = np.arange(start, min(start + DIGEST_CHUNK, len(self)))
            content.update(np.ascontiguousarray(self.images[indices]).tobytes())
        return content.hexdigest()


def find_classes(pictures: ImageSplits, min_images: int) -> list[str]:
    """Returns the names of the classes that count, sorted; empty if there are fewer than two.

    Args:
        pictures: The data set.
        min_images: Training images that a class must have; it must have a test image as well.
    """
    counts = pictures.train.captions["label"].dropna().value_counts()
    tested = set(pictures.test.captions["label"].dropna())
    names = sorted(str(name) for name, count in counts.items() if count >= min_images and name in tested)
    return names if len(names) > 1 else []


def labeled_images(split: Split, classes: list[str]) -> LabeledImages:
    """Returns the images of a split that belong to one of the classes."""
    index_of = {name: index for index, name in enumerate(classes)}
    labels = split.captions["label"].map(index_of).to_numpy(float)  # NaN for other classes
    indices = np.flatnonzero(np.isfinite(labels))
    captions = [text or "" for text in reference_captions(split.captions.iloc[indices])]
    return LabeledImages(Subset(split.images, indices), labels[indices].astype(np.int64), captions, classes)
