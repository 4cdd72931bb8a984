"""Pictures that have classes: which classes count, and the pictures of a split that are of one of them."""

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lexipix.data.images import Images, Subset
from lexipix.training.tasks.classifier import Numbers
from lexipix.utils.types import ImageSplits, Split

AT_ONCE = 1024  # pictures in memory while they are counted in


@dataclass(frozen=True)
class Classed:
    """Pictures with the numbers of their classes.

    Attributes:
        images: uint8 (N, S, S, 3), read as they are asked for.
        numbers: int64 (N,), places in the list of classes.
        captions: N true captions; empty where a picture came without.
    """

    images: Images
    numbers: Numbers
    captions: list[str]

    def __len__(self) -> int:
        return len(self.numbers)

    def some(self, rows: NDArray[np.int64]) -> "Classed":
        """Some of them."""
        return Classed(Subset(self.images, rows), self.numbers[rows], [self.captions[row] for row in rows])

    def digest(self) -> str:
        """Of pictures and classes."""
        content = hashlib.sha256(self.numbers.tobytes())
        for start in range(0, len(self), AT_ONCE):
            rows = np.arange(start, min(start + AT_ONCE, len(self)))
            content.update(np.ascontiguousarray(self.images[rows]).tobytes())
        return content.hexdigest()


def classes_of(pictures: ImageSplits, min_pictures: int) -> list[str]:
    """Names of the classes that count, sorted; none where there are fewer than two.

    Args:
        pictures: The data set.
        min_pictures: Training pictures that a class must have; test pictures it must have as well.
    """
    counts = pictures.train.captions["label"].dropna().value_counts()
    tested = set(pictures.test.captions["label"].dropna())
    found = sorted(str(name) for name, count in counts.items() if count >= min_pictures and name in tested)
    return found if len(found) > 1 else []


def classed(split: Split, classes: list[str]) -> Classed:
    """The pictures of a split that are of one of the classes."""
    places = {name: place for place, name in enumerate(classes)}
    numbers = split.captions["label"].map(places).to_numpy(float)  # NaN where it is of none
    rows = np.flatnonzero(np.isfinite(numbers))
    table = split.captions.iloc[rows]
    captions = table["caption"].where(table["caption"].notna(), table["withheld_caption"])
    texts = [text if isinstance(text, str) else "" for text in captions]
    return Classed(Subset(split.images, rows), numbers[rows].astype(np.int64), texts)
