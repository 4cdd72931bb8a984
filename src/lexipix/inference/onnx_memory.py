"""What an exported retrieval generator does between its graphs: search the memory, choose, fetch images."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lexipix.inference.exported_config import GeneratorConfig, RetrievalConfig
from lexipix.inference.onnx_session import Vectors, damaged
from lexipix.models.neighbor_memory import MAX_SIMILARITY, MAX_WORDS, SAME_LOGIT, NeighborMemory

Arrays = Mapping[str, NDArray[Any]]


class OnnxMemory:
    """The memory of an exported generator whose configuration has ``retrieval``.

    Raises:
        LexipixError: The arrays are not there, or are not those of a memory.
    """

    def __init__(self, arrays: Arrays, config: GeneratorConfig, retrieval: RetrievalConfig) -> None:
        size = config.image_size
        if not arrays:
            raise damaged("model.safetensors", "there is none, and it holds the images that it retrieves")
        try:
            self._memory = NeighborMemory(arrays, (size, size, config.image_channels))
        except (KeyError, ValueError, IndexError, TypeError) as error:
            raise damaged("model.safetensors", error) from error
        self._n_found = min(config.noise_dim, len(self._memory))
        self._n_neighbors, self._temperature = retrieval.n_neighbors, retrieval.temperature

    def words(self, ids: NDArray[np.int64]) -> NDArray[np.int64]:
        """The different words of captions (B, L), all padded to the same length."""
        return self._memory.word_sets(ids, MAX_WORDS)

    def search(
        self, words: NDArray[np.int64], query: Vectors, rank: Callable[..., Vectors]
    ) -> dict[str, NDArray[Any]]:
        """What captions retrieve, by their :meth:`words` and vectors (B, D): an array (B, …) for each part.

        ``rank`` scores it, with the inputs of the graph of that name.
        """
        rows, similarities, keys, key_words, vectors = self._memory.search(words, query, self._n_found)
        texts: dict[str, NDArray[Any]] = {
            "query": query,
            "words": words,
            "keys": keys,
            "key_words": key_words,
        }
        limited = np.minimum(similarities, np.float32(MAX_SIMILARITY))
        logits = rank(**texts, vectors=vectors, similarities=limited)
        scores = logits + np.float32(SAME_LOGIT) * (similarities > MAX_SIMILARITY)
        return {**texts, "rows": rows, "scores": scores}

    def inputs(self, encoded: Arrays, noise: Vectors) -> dict[str, NDArray[Any]]:
        """The inputs of the graph that draws, from what :meth:`search` found and noise (B, Z)."""
        scores = encoded["scores"] + self._temperature * noise[:, : self._n_found]
        ranks = np.minimum(np.arange(self._n_neighbors), self._n_found - 1)  # few images: the last one again
        chosen = np.argsort(-scores, axis=1, kind="stable")[:, ranks]
        return {
            "query": encoded["query"],
            "words": encoded["words"],
            "keys": np.take_along_axis(encoded["keys"], chosen[..., None], axis=1),
            "key_words": np.take_along_axis(encoded["key_words"], chosen[..., None], axis=1),
            "neighbors": self._memory.images[np.take_along_axis(encoded["rows"], chosen, axis=1)],
        }
