"""The training images that captions retrieve, without torch: keys, search, and the images themselves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lexipix.utils.packed_images import PackedImages, pack

if TYPE_CHECKING:
    from scipy.sparse import csr_array

Pixels = NDArray[np.uint8]
Vectors = NDArray[np.float32]
Ids = NDArray[np.int64]

KEY_SCALE = 127  # of unit vectors, which are stored as 8-bit integers
IDF_SCALE = 32767  # of the rarities of tokens, stored as 16-bit integers
# Of the cosine of words: among captions that share most of their words those count whose images look as asked
# for, as another style differs in one word of many
WORD_LIMIT = 0.65
MAX_WORDS = 64  # different ones of a caption; further ones are not compared
MAX_SIMILARITY = WORD_LIMIT + 2.0  # of the sum; larger: the caption is the same
SAME_BONUS = 10.0  # added to the similarity of an image whose caption has the same words
SAME_LOGIT = 100.0  # added to the score of such an image, so that it comes before all others
SAME = 0.999  # cosine of words from which two captions have the same


class Neighbors(NamedTuple):
    """The images that fit each of B captions best, in the order of their rows."""

    rows: Ids  # of the images, (B, N)
    similarities: Vectors  # (B, N), a sum of three cosines, and SAME_BONUS for the same words
    keys: Vectors  # vectors of the images' first wordings, (B, N, D)
    key_words: Ids  # their tokens, padded, (B, N, M)
    vectors: Vectors  # of the images, (B, N, D)


class NeighborMemory:
    """Images with the wordings of their captions, searched by words, text vectors and image vectors.

    The similarity of a caption and an image is a sum of three cosines: of their words, weighted by
    how rare they are (tf-idf, Spärck Jones 1972), up to a limit; of the text vectors of the caption and of
    the image's wording; and of the caption's text vector and the image's vector, both from a contrastive
    pair. Of several wordings of an image the one counts that fits best. Words alone ignore the style, and
    vectors alone the thing.
    """

    def __init__(self, arrays: Mapping[str, NDArray[Any]], shape: tuple[int, ...]) -> None:
        """``arrays`` are those that :func:`memory_arrays` returns; images have the ``shape`` (S, S, C)."""
        self.starts: Ids = arrays["starts"]  # of each image's wordings among all
        self._wordings: Ids = arrays["wordings"]  # of all images, as numbers of different ones
        self.sources: Ids = arrays["sources"]  # number of each image among the training images, ascending
        self.text_keys = _unit_vectors(arrays["text_keys"])  # of different wordings
        self.image_keys = _unit_vectors(arrays["image_keys"])
        self._idf: Vectors = (arrays["idf"] / IDF_SCALE).astype(np.float32)
        self._n_words = int(np.flatnonzero(self._idf).max(initial=0)) + 1  # ids below are words
        self._pad_id = int(arrays["pad_id"][0])
        tokens, counts = arrays["tokens"].astype(np.int64), arrays["token_counts"].astype(np.int64)
        sets, owners = np.split(tokens, counts.cumsum()[:-1]), np.repeat(np.arange(len(counts)), counts)
        self._first = self._wordings[self.starts]
        self._first_words = self._padded([sets[wording] for wording in self._first])
        self._word_keys = self._tf_idf(tokens, owners, len(self.text_keys))
        self.images = PackedImages(arrays["packed"], arrays["ends"], shape)

    def __len__(self) -> int:
        return len(self.starts)

    def word_sets(self, ids: Ids, length: int = 1) -> Ids:
        """The different words of captions (B, L), padded to a length or to the longest."""
        return self._padded([np.unique(row[self._idf[row] > 0])[:MAX_WORDS] for row in ids], length)

    def search(self, words: Ids, queries: Vectors, n: int, exclude: Ids | None = None) -> Neighbors:
        """Find the ``n`` images that fit captions best.

        Args:
            words: Tokens of the captions, from :meth:`word_sets`, (B, L).
            queries: Unit vectors of the captions, (B, D).
            n: At most as many as there are images.
            exclude: A training image for each caption that is not found, (B,).
        """
        by_wording = self.text_keys @ queries.T  # (W, B), which is faster to search than (B, W)
        shared = self._word_similarities(words)
        by_wording += np.minimum(shared, WORD_LIMIT)
        by_wording[shared > SAME] += SAME_BONUS
        by_image = by_wording[self._wordings]
        if len(by_image) > len(self.starts):  # images with several wordings
            by_image = np.maximum.reduceat(by_image, self.starts, axis=0)
        by_image += self.image_keys @ queries.T
        similarities = np.ascontiguousarray(by_image.T)
        if exclude is not None:
            own, is_known = self.rows_of(exclude)
            similarities[np.flatnonzero(is_known), own[is_known]] = -SAME_BONUS
        # Not in the order of similarity: noise belongs to places, and must not move between nearly equal ones
        rows = np.sort(np.argpartition(similarities, -n, axis=1)[:, -n:], axis=1)
        return self.described(rows, np.take_along_axis(similarities, rows, axis=1))

    def described(self, rows: Ids, similarities: Vectors) -> Neighbors:
        """Images by rows and their similarities (B, N), with what the memory knows of them."""
        keys, words = self.text_keys[self._first[rows]], self._first_words[rows]
        return Neighbors(rows, similarities, keys, words, self.image_keys[rows])

    def rows_of(self, sources: Ids) -> tuple[Ids, NDArray[np.bool_]]:
        """The rows of training images (B,), and whether the memory holds them."""
        rows = np.minimum(np.searchsorted(self.sources, sources), len(self.sources) - 1)
        return rows, self.sources[rows] == sources

    def _padded(self, sets: Sequence[Ids], length: int = 1) -> Ids:
        padded = np.full((len(sets), max([length, *map(len, sets)])), self._pad_id, np.int64)
        for row, tokens in zip(padded, sets, strict=True):
            row[: len(tokens)] = tokens
        return padded

    def _word_similarities(self, words: Ids) -> Vectors:
        """Cosines (W, B) of every wording and of captions' words (B, L), which are all different."""
        owners, places = np.nonzero(words != self._pad_id)
        captions = self._tf_idf(words[owners, places], owners, len(words))
        similarities: Vectors = self._word_keys @ captions.toarray().T
        return similarities

    def _tf_idf(self, tokens: Ids, owners: Ids, n: int) -> csr_array:
        """Rows of unit length (n, vocabulary), from the different tokens of each and whose they are."""
        from scipy.sparse import csr_array  # a tenth of a second, and generators without a memory need none

        weights = self._idf[tokens]
        lengths = np.sqrt(np.bincount(owners, np.square(weights), minlength=n))
        weights = (weights / np.maximum(lengths[owners], 1e-9)).astype(np.float32)
        return csr_array((weights, (owners, tokens)), shape=(n, self._n_words))


def memory_arrays(
    images: Sequence[Pixels],
    sources: Ids,
    wordings: Sequence[Sequence[Ids]],
    text_keys: Vectors,
    image_keys: Vectors,
    is_word: NDArray[np.bool_],
    pad_id: int,
) -> dict[str, NDArray[Any]]:
    """The arrays of a memory, which hold everything about it.

    Args:
        images: uint8 (S, S, C) each.
        sources: Their numbers among the training images, ascending.
        wordings: Token ids of each wording of each image, the first one first.
        text_keys: Unit vectors of all wordings in this order, (W, D).
        image_keys: Unit vectors of the images, (N, D).
        is_word: Which tokens count, bool (vocabulary,).
        pad_id: The token of padding, which does not.
    """
    all_ids = [ids[is_word[ids]] for texts in wordings for ids in texts]
    # Images of one caption share a wording
    names = np.array([ids.tobytes() for ids in all_ids], object)
    _, first, places = np.unique(names, return_index=True, return_inverse=True)
    sets = [np.unique(all_ids[row]) for row in first]
    tokens = np.concatenate([np.zeros(0, np.int64), *sets])
    counts = np.bincount(tokens, minlength=len(is_word))
    idf = is_word * (np.log((1 + len(sets)) / (1 + counts)) + 1)  # as in scikit-learn
    packed, ends = pack(images)
    return {
        "packed": packed,
        "ends": ends,
        "sources": sources.astype(np.int64),
        "starts": np.cumsum([0, *(len(texts) for texts in wordings)])[:-1],
        "wordings": places.astype(np.int32),
        "text_keys": _quantized(text_keys[first], KEY_SCALE).astype(np.int8),
        "image_keys": _quantized(image_keys, KEY_SCALE).astype(np.int8),
        "idf": _quantized(idf / max(1.0, idf.max()), IDF_SCALE).astype(np.int16),
        "tokens": tokens.astype(np.int32),
        "pad_id": np.array([pad_id], np.int32),
        "token_counts": np.array([len(ids) for ids in sets], np.int32),  # of each different wording
    }


def _quantized(vectors: NDArray[Any], scale: int) -> NDArray[Any]:
    """Numbers in [-1, 1] as whole ones in [-scale, scale]."""
    quantized: NDArray[Any] = np.rint(np.clip(vectors, -1, 1) * scale)
    return quantized


def _unit_vectors(quantized: NDArray[np.int8]) -> Vectors:
    vectors = quantized.astype(np.float32)
    normalized: Vectors = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1.0)
    return normalized
