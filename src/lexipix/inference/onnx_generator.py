"""An exported generator: prompts and noise to images, without torch."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from lexipix.data.tokenization import encode, pad_id, reads_features
from lexipix.inference.exported_config import ExportedConfig, GeneratorConfig
from lexipix.inference.onnx_memory import OnnxMemory
from lexipix.inference.onnx_session import BATCH, OnnxSession, Pixels, Vectors, damaged, fitting
from lexipix.metrics.text import tokens
from lexipix.utils.threads import on_all_cores
from lexipix.utils.types import OnnxModel

Arrays = dict[str, NDArray[Any]]

MAX_IN_MEMORY = 1024  # images that are drawn in one call; longer lists are split
MAX_CACHED = 256  # encoded prompts that are kept, about 40 kB each


class OnnxGenerator(OnnxSession):
    """Draws images of prompts in one forward pass.

    The graph ``read`` encodes a prompt; a generator with a memory then retrieves images for it. The graph
    ``draw`` turns that and noise into pixels. A prompt that occurs again, in the same call or a later one, is
    not encoded again.
    """

    graphs: ClassVar[Sequence[str]] = ("read", "draw")
    config_type: ClassVar[type[ExportedConfig]] = GeneratorConfig
    config: GeneratorConfig

    def __init__(self, model: OnnxModel, nearest_words: Mapping[str, str] | None = None) -> None:
        """``nearest_words`` are known words by words that mean about the same and are not known."""
        super().__init__(model)
        self.noise_dim = self.config.noise_dim
        self.nearest_words = nearest_words or {}
        self._memory = None
        if self.config.retrieval is not None:
            self._memory = OnnxMemory(model.arrays, self.config, self.config.retrieval)
        # What the text encoder computes from a prompt, by the names of the graph's outputs
        self._cache: dict[str, Arrays] = {}

    @cached_property
    def known_words(self) -> frozenset[str]:
        """Words of the captions that the model was trained on."""
        return frozenset(word for entry in self.config.known_words for word in tokens(entry))

    @fitting()
    def generate(self, prompts: Sequence[str], noise: Vectors) -> Pixels:
        """Images of prompts (N) from noise (N, Z): uint8 (N, S, S, C)."""
        shape = (len(prompts), self.image_size, self.image_size, self.image_channels)
        pixels = np.empty(shape, np.uint8)
        for start in range(0, len(prompts), MAX_IN_MEMORY):
            block = slice(start, start + MAX_IN_MEMORY)
            self._generate(prompts[block], noise[block], pixels[block])
        return pixels

    @fitting()
    def encode(self, ids: NDArray[np.int64]) -> Arrays:
        """What prompts (B, L) decide without noise: an array (B, …) by name for each part."""
        outputs = self._read(ids)
        return outputs if self._memory is None else self._retrieve(self._memory, outputs)

    def draw_inputs(self, encoded: Arrays, noise: Vectors) -> Arrays:
        """The inputs of the graph ``draw`` from the result of :meth:`encode` and noise (B, Z)."""
        if self._memory is not None:
            return self._memory.inputs(encoded, noise)
        return {**encoded, "noise": noise}

    @fitting()
    def interpolate(self, start: str, end: str, shares: Vectors, noise: Vectors) -> Pixels:
        """Images between two prompts with one noise (1, Z): uint8 (N, S, S, C).

        Each has its share of ``end``, (N,) in [0, 1]; 0 gives the image of ``start`` and 1 that of ``end``.
        What the text encoder computes is interpolated linearly. A generator with a memory retrieves images
        for each step, with the words of the nearer prompt, so that its images change at some steps only.
        """
        first, last = (self._read(self._batches([prompt])[0][0]) for prompt in (start, end))

        def draw(block: Vectors) -> Pixels:
            encoded = {name: _mixed(first[name], last[name], block) for name in first}
            if self._memory is not None:
                lengths = np.linalg.norm(encoded["query"], axis=1, keepdims=True)
                is_unit = np.abs(lengths - 1) < 1e-6  # as they are at both ends, which stay the same bits
                encoded["query"] = np.where(is_unit, encoded["query"], encoded["query"] / lengths)
                encoded = self._retrieve(self._memory, encoded)
            return self._draw(self.draw_inputs(encoded, np.repeat(noise, len(block), axis=0)))

        blocks = [shares[row : row + BATCH] for row in range(0, len(shares), BATCH)]
        return np.concatenate(on_all_cores(draw, blocks))

    def clear_cache(self) -> None:
        """Drop all encoded prompts, so that a measurement includes the text encoder."""
        self._cache.clear()

    def _generate(self, prompts: Sequence[str], noise: Vectors, pixels: Pixels) -> None:
        """Fill ``pixels``."""
        encodings = {prompt: self._cache[prompt] for prompt in prompts if prompt in self._cache}
        new = [prompt for prompt in dict.fromkeys(prompts) if prompt not in encodings]

        def stacked(texts: Sequence[str]) -> Arrays:
            parts = [encodings[text] for text in texts]
            return {name: np.stack([part[name] for part in parts]) for name in parts[0]}

        def keep(texts: Sequence[str], outputs: Arrays) -> None:
            for row, text in enumerate(texts):
                encodings[text] = {name: values[row] for name, values in outputs.items()}

        def read(batch: tuple[NDArray[np.int64], list[str]]) -> None:
            keep(batch[1], self._read(batch[0]))

        def draw(start: int) -> None:
            rows = slice(start, start + BATCH)
            pixels[rows] = self._draw(self.draw_inputs(stacked(prompts[rows]), noise[rows]))

        on_all_cores(read, self._batches(new))
        if (memory := self._memory) is not None:
            parts = [new[start : start + BATCH] for start in range(0, len(new), BATCH)]
            on_all_cores(lambda texts: keep(texts, self._retrieve(memory, stacked(texts))), parts)
        on_all_cores(draw, range(0, len(prompts), BATCH))
        self._cache.update({prompt: encodings[prompt] for prompt in new[:MAX_CACHED]})
        while len(self._cache) > MAX_CACHED:
            del self._cache[next(iter(self._cache))]

    def _draw(self, inputs: Arrays) -> Pixels:
        """Images, uint8 (B, S, S, C), of what :meth:`draw_inputs` returns."""
        drawn: Pixels = self.run("draw", "pixels", **inputs)["pixels"]
        shape = (self.image_size, self.image_size, self.image_channels)
        if drawn.shape[1:] != shape or drawn.dtype != np.uint8:
            raise damaged("draw.onnx", f"its images are {drawn.dtype} of shape {drawn.shape}")
        return drawn

    def _read(self, ids: NDArray[np.int64]) -> Arrays:
        outputs = self.run("read", ids=ids)
        return outputs if self._memory is None else {**outputs, "words": self._memory.words(ids)}

    def _retrieve(self, memory: OnnxMemory, read: Arrays) -> Arrays:
        return memory.search(
            read["words"], read["query"], lambda **found: self.run("rank", **found)["scores"]
        )

    def _batches(self, prompts: Sequence[str]) -> list[tuple[NDArray[np.int64], list[str]]]:
        """Batches of prompts with equal numbers of tokens, which need no padding; the largest come first.

        Text features are summed, so that padding to one length for all changes nothing.
        """
        ids, pad = encode(self.tokenizer, prompts, self.max_tokens), pad_id(self.tokenizer)
        if reads_features(self.tokenizer):
            ids = np.pad(ids, ((0, 0), (0, self.max_tokens - ids.shape[1])), constant_values=pad)
            starts = range(0, len(prompts), BATCH)
            return [(ids[start : start + BATCH], list(prompts[start : start + BATCH])) for start in starts]
        lengths = (ids != pad).sum(1)
        parts = [
            rows
            for same in (np.flatnonzero(lengths == length) for length in np.unique(lengths))
            for rows in np.array_split(same, -(-len(same) // BATCH))
        ]
        parts.sort(key=len, reverse=True)
        return [(ids[rows, : lengths[rows[0]]], [prompts[row] for row in rows]) for rows in parts]


def _mixed(first: NDArray[Any], last: NDArray[Any], shares: Vectors) -> NDArray[Any]:
    """Arrays (N, …) from one (1, …) to another by the shares (N,) of the other; ids are the nearer one's."""
    weights = shares.reshape(-1, *[1] * (first.ndim - 1))
    if not np.issubdtype(first.dtype, np.floating):
        return np.where(weights < 0.5, first, last)
    mixed: NDArray[Any] = ((1 - weights) * first + weights * last).astype(first.dtype)
    return mixed


def sample_noise(seed: int, index: int, noise_dim: int, candidate: int = 0) -> Vectors:
    """Standard normal noise (1, noise_dim) of one candidate for image ``index`` under a seed.

    NumPy pads its seed with zeros, so that candidate 0 has the noise of the seed ``[seed, index]``.
    """
    return np.random.default_rng([seed, index, candidate]).standard_normal((1, noise_dim), np.float32)
