"""Trained models at work without torch: draw, describe, score."""

from collections.abc import Sequence
from functools import cached_property
from typing import ClassVar

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from tokenizers import Tokenizer

from lexipix.data.tokenization import decode, encode, pad_id
from lexipix.metrics.text import tokens
from lexipix.utils.errors import LexipixError
from lexipix.utils.threads import on_all_cores
from lexipix.utils.types import OnnxModel

Pixels = NDArray[np.uint8]
Vectors = NDArray[np.float32]

# What a caption decides about its pictures, by name of the graphs' tensors
Plan = dict[str, NDArray[np.generic]]

AT_ONCE = 16  # pictures in a run of a graph: more are no faster, and pictures are shared out among cores
IN_MEMORY = 1024  # pictures whose prompts are read before the first of them is drawn
MAX_PLANS = 256  # kept for prompts that come again, some 40 kB each


class _Model:
    """The graphs of one model, each loaded when it is first used.

    A graph runs on one thread, one picture at a time, and pictures are shared out among the cores: the result
    then depends neither on how many pictures are asked for nor on how many cores there are, down to the last
    bit, and two cores are as busy as with batches.
    """

    def __init__(self, model: OnnxModel) -> None:
        self.config = model.config
        self.max_tokens: int = model.config["max_tokens"]
        self.image_size: int = model.config["image_size"]
        self._graphs = model.graphs
        self._tokenizer_text = model.tokenizer or ""
        self._sessions: dict[str, onnxruntime.InferenceSession] = {}

    @cached_property
    def tokenizer(self) -> Tokenizer:
        """The tokenizer that the model was trained with."""
        return Tokenizer.from_str(self._tokenizer_text)

    def n_tokens(self, text: str) -> int:
        """Length of a text as the model counts it, the closing token included."""
        return len(self.tokenizer.encode(text).ids)

    def ids(self, text: str) -> NDArray[np.int64]:
        """A text as the model reads it: (1, L); what is longer than it can read is cut."""
        return encode(self.tokenizer, [text], self.max_tokens)

    def run(self, graph: str, **inputs: NDArray[np.generic]) -> NDArray[np.float32]:
        """The only output of a graph."""
        output: NDArray[np.float32] = self._session(graph).run(None, inputs)[0]
        return output

    def run_all(
        self, graph: str, outputs: Sequence[str] | None = None, **inputs: NDArray[np.generic]
    ) -> dict[str, NDArray[np.generic]]:
        """Outputs of a graph by name; None gives all."""
        session = self._session(graph)
        names = list(outputs) if outputs is not None else [value.name for value in session.get_outputs()]
        return dict(zip(names, session.run(names, inputs), strict=True))

    def _session(self, graph: str) -> onnxruntime.InferenceSession:
        if graph not in self._sessions:
            options = onnxruntime.SessionOptions()
            options.intra_op_num_threads = options.inter_op_num_threads = 1
            options.log_severity_level = 3
            content = self._graphs[graph]
            self._sessions[graph] = onnxruntime.InferenceSession(content, options, ["CPUExecutionProvider"])
        return self._sessions[graph]


class OnnxGenerator(_Model):
    """A generator: prompts and noise to pictures, in one forward pass.

    Two graphs: ``read`` takes what a caption decides about its pictures, and ``draw`` that and noise to
    pictures. A prompt that is drawn again, in one call or a later one, is not read again.

    Attributes:
        needs: Names of the graphs.
    """

    needs: ClassVar[Sequence[str]] = ("read", "draw")

    def __init__(self, model: OnnxModel) -> None:
        super().__init__(model)
        missing = [f"{name}.onnx" for name in self.needs if name not in model.graphs]
        if missing:
            raise LexipixError(
                f"An exported generator lacks {' and '.join(missing)}; it is damaged or of an earlier "
                "version: run `kedro run --pipelines compression` again, with the same --env."
            )
        self.noise_dim: int = model.config["noise_dim"]
        self._plans: dict[str, Plan] = {}

    @cached_property
    def known_words(self) -> frozenset[str]:
        """Words of the captions the model learned from."""
        return frozenset(word for entry in self.config["known_words"] for word in tokens(entry))

    def draw_one(self, prompt: str, seed: int, index: int) -> Pixels:
        """Picture ``index`` of a prompt, uint8 (S, S, 3); the noise depends on seed and index alone."""
        image: Pixels = self.draw([prompt], noise_of(seed, index, self.noise_dim))[0]
        return image

    def draw(self, prompts: Sequence[str], noise: Vectors) -> Pixels:
        """Pictures of prompts (N) from noise (N, Z): uint8 (N, S, S, 3)."""
        pixels = np.empty((len(prompts), self.image_size, self.image_size, 3), np.uint8)
        for start in range(0, len(prompts), IN_MEMORY):
            block = slice(start, start + IN_MEMORY)
            self._draw(prompts[block], noise[block], pixels[block])
        return pixels

    def _draw(self, prompts: Sequence[str], noise: Vectors, pixels: Pixels) -> None:
        """Fill ``pixels``; a new prompt is read and drawn in one go, so that no core waits between."""
        places: dict[str, list[int]] = {}
        for place, prompt in enumerate(prompts):
            places.setdefault(prompt, []).append(place)
        plans = {prompt: self._plans[prompt] for prompt in places if prompt in self._plans}

        def draw_some(wanted: Sequence[int]) -> None:
            chunk = [plans[prompts[place]] for place in wanted]
            plan = {name: np.stack([one[name] for one in chunk]) for name in chunk[0]}
            pixels[wanted] = self.run_all("draw", ["pixels"], **plan, noise=noise[wanted])["pixels"]

        def read_and_draw(batch: tuple[NDArray[np.int64], list[str]]) -> list[int]:
            """Read prompts and draw each once; gives the places of those that are wanted more often."""
            ids, new = batch
            found = self.run_all("read", ids=ids)
            for row, prompt in enumerate(new):
                plans[prompt] = {name: values[row] for name, values in found.items()}
            draw_some([places[prompt][0] for prompt in new])
            return [place for prompt in new for place in places[prompt][1:]]

        rest = [place for prompt in plans for place in places[prompt]]
        new = [prompt for prompt in places if prompt not in plans]
        for more in on_all_cores(read_and_draw, self._batches(new)):
            rest += more
        on_all_cores(draw_some, [rest[start : start + AT_ONCE] for start in range(0, len(rest), AT_ONCE)])
        self._plans.update({prompt: plans[prompt] for prompt in new[:MAX_PLANS]})
        while len(self._plans) > MAX_PLANS:
            del self._plans[next(iter(self._plans))]

    def forget(self) -> None:
        """Read every prompt anew; for measurements."""
        self._plans.clear()

    def _batches(self, prompts: Sequence[str]) -> list[tuple[NDArray[np.int64], list[str]]]:
        """Prompts of one length together, without padding, in parts of about equal size, large ones first."""
        ids = encode(self.tokenizer, prompts, self.max_tokens)
        lengths = (ids != pad_id(self.tokenizer)).sum(1)
        parts = [
            rows
            for same in (np.flatnonzero(lengths == length) for length in np.unique(lengths))
            for rows in np.array_split(same, -(-len(same) // AT_ONCE))
        ]
        parts.sort(key=len, reverse=True)
        return [(ids[rows, : lengths[rows[0]]], [prompts[row] for row in rows]) for rows in parts]


class OnnxCaptioner(_Model):
    """A captioner: pictures to words."""

    def see(self, images: Pixels) -> Vectors:
        """Pictures, uint8 (B, S, S, 3), as the sequences that the language model reads: (B, cells, width)."""
        return self.run("see", images=from_pixels(images))

    def caption(self, images: Pixels) -> list[str]:
        """The most probable words for pictures, uint8 (N, S, S, 3)."""

        def some(start: int) -> list[str]:
            return self.describe(self.see(images[start : start + AT_ONCE]))

        return [text for texts in on_all_cores(some, range(0, len(images), AT_ONCE)) for text in texts]

    def describe(
        self, cells: Vectors, temperature: float = 0.0, rng: np.random.Generator | None = None
    ) -> list[str]:
        """Write captions (B): at each step the most probable word, or with a temperature one drawn by lot."""
        pad, eos = self.config["pad_id"], self.config["eos_id"]
        ids = np.full((len(cells), 1), self.config["start_id"], np.int64)
        written = np.full((len(cells), self.max_tokens), pad, np.int64)
        rows, memory = np.arange(len(cells)), self._blank(len(cells))
        for place in range(self.max_tokens):
            logits, memory = self._next_word(ids, cells, memory)
            if pad != eos:
                logits[:, pad] = -np.inf
            if temperature and rng is not None:
                # The largest of logits plus Gumbel noise is a draw from their softmax.
                logits = logits / np.float32(temperature) + rng.gumbel(size=logits.shape).astype(np.float32)
            words = logits.argmax(1)
            written[rows, place] = words
            ids = np.concatenate([ids, words[:, None]], 1)
            going = np.flatnonzero(words != eos)
            if not len(going):
                break
            if len(going) < len(rows):  # texts that have ended are left out
                rows, ids, cells, memory = rows[going], ids[going], cells[going], memory[going]
        return decode(self.tokenizer, written)

    def _blank(self, n_texts: int) -> Vectors:
        """What is remembered of texts without a word."""
        layers, heads, width = self.config.get("memory") or (0, 0, 0)
        return np.zeros((n_texts, layers, heads, 0, width), np.float32)

    def _next_word(self, ids: NDArray[np.int64], cells: Vectors, memory: Vectors) -> tuple[Vectors, Vectors]:
        """Logits (B, V) of what follows ids (B, L), and what is remembered of these."""
        if not self.config.get("memory"):
            return self.run("next_word", ids=ids, cells=cells), memory
        position = np.array([ids.shape[1] - 1], np.int64)
        inputs = {"words": ids[:, -1], "position": position, "cells": cells, "memory": memory}
        logits, kept = self._session("next_word").run(["logits", "kept"], inputs)
        return logits, kept


class Scorer(_Model):
    """An image and a text encoder that meet in one space; agreement is a cosine in [-1, 1]."""

    def image_vector(self, image: Pixels) -> Vectors:
        """Unit vector (D,) of a picture, uint8 (S, S, 3)."""
        vector: Vectors = self.run("image", images=from_pixels(image[None]))[0]
        return vector

    def text_vector(self, text: str) -> Vectors:
        """Unit vector (D,) of a text."""
        vector: Vectors = self.run("text", ids=self.ids(text))[0]
        return vector


def noise_of(seed: int, index: int, width: int, candidate: int = 0) -> Vectors:
    """Standard normal noise (1, width) of a candidate for picture ``index`` under a seed.

    NumPy fills what it is seeded with up with zeros, so that candidate 0 has the noise of ``[seed, index]``.
    """
    return np.random.default_rng([seed, index, candidate]).standard_normal((1, width), np.float32)


def from_pixels(images: Pixels) -> Vectors:
    """uint8 (B, H, W, 3) to float (B, 3, H, W) in [-1, 1]."""
    return np.ascontiguousarray(images.transpose(0, 3, 1, 2).astype(np.float32) / np.float32(127.5) - 1)
