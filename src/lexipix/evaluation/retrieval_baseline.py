"""The baseline that every generator must beat: the training image whose caption is nearest in words."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.feature_extraction.text import TfidfVectorizer

from lexipix.data.captioned import captioned
from lexipix.evaluation.evaluated_images import Pixels
from lexipix.metrics.text import tokens
from lexipix.utils.types import Split

_BATCH = 256


class RetrievalBaseline:
    """Shows the image of the nearest training caption, by the cosine of tf-idf vectors of their words.

    It is crisp and needs no training. Of captions that are equally near, and of images that share the
    nearest one, it takes the first. Every wording of an image counts.
    """

    def __init__(self, train: Split) -> None:
        data = captioned(train)
        self._images = data.images
        rows: dict[str, int] = {}
        for row, texts in enumerate(zip(data.captions, data.paraphrases, strict=True)):
            for text in (texts[0], *texts[1]):
                rows.setdefault(text, row)
        self._rows = np.array(list(rows.values()), np.int64)
        self._vectorizer = TfidfVectorizer(analyzer=tokens, sublinear_tf=True)
        self._keys = self._vectorizer.fit_transform(list(rows))

    def rows(self, captions: Sequence[str]) -> NDArray[np.int64]:
        """Returns the row of the image for each caption among the captioned training images, (N,)."""
        found = [np.zeros(0, np.int64)]
        for start in range(0, len(captions), _BATCH):
            wanted = self._vectorizer.transform(captions[start : start + _BATCH])
            similarity = np.asarray((wanted @ self._keys.T).todense())
            found.append(self._rows[similarity.argmax(axis=1)])
        return np.concatenate(found)

    def __call__(self, captions: Sequence[str]) -> Pixels:
        """Returns one image for each caption, uint8 (N, H, W, 3)."""
        return np.asarray(self._images[self.rows(captions)])
