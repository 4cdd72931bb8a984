"""Trained models at work without torch: draw, describe, score."""

import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from typing import Any, NamedTuple, TypeVar

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from tokenizers import Tokenizer

from lexipix.errors import LexipixError
from lexipix.metrics.text import tokens
from lexipix.records import OnnxModel
from lexipix.training.tokenization import decode, encode, pad_id

Pixels = NDArray[np.uint8]
Vectors = NDArray[np.float32]

# What a caption decides about its pictures, by name of the graphs' tensors
Plan = dict[str, NDArray[np.generic]]

WHOLE = "onnx_fp32"  # the variant that is no form beside the whole network
AT_ONCE = 16  # pictures in a run of a graph: more are no faster, and pictures are shared out among cores
IN_MEMORY = 1024  # pictures whose prompts are read before the first of them is drawn
MAX_PLANS = 256  # kept for prompts that come again, some 40 kB each

T = TypeVar("T")
R = TypeVar("R")


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


class Drawer(_Model):
    """A generator: prompts and noise to pictures, in one forward pass.

    Two graphs: ``read`` takes what a caption decides about its pictures, and ``draw`` that and noise to
    pictures. A prompt that is drawn again, in one call or a later one, is not read again.
    """

    def __init__(self, model: OnnxModel) -> None:
        super().__init__(model)
        missing = [f"{name}.onnx" for name in ("read", "draw") if name not in model.graphs]
        if missing:
            raise LexipixError(
                f"An exported generator lacks {' and '.join(missing)}; it is damaged or of an earlier "
                "version: run `kedro run --pipelines compression` again, with the same --env."
            )
        self.noise_width: int = model.config["noise_width"]
        self._plans: dict[str, Plan] = {}

    @cached_property
    def known_words(self) -> frozenset[str]:
        """Words of the captions the model learned from."""
        return frozenset(word for entry in self.config["known_words"] for word in tokens(entry))

    def draw_one(self, prompt: str, seed: int, index: int) -> Pixels:
        """Picture ``index`` of a prompt, uint8 (S, S, 3); the noise depends on seed and index alone."""
        image: Pixels = self.draw([prompt], noise_of(seed, index, self.noise_width))[0]
        return image

    def draw(self, prompts: Sequence[str], noise: Vectors) -> Pixels:
        """Pictures of prompts (N) from noise (N, Z): uint8 (N, S, S, 3)."""
        pixels = np.empty((len(prompts), self.image_size, self.image_size, 3), np.uint8)
        for start in range(0, len(prompts), IN_MEMORY):
            block = slice(start, start + IN_MEMORY)
            self._draw(prompts[block], noise[block], pixels[block])
        return pixels

    def _draw(self, prompts: Sequence[str], noise: Vectors, pixels: Pixels) -> None:
        plans = self._read(list(dict.fromkeys(prompts)))

        def some(start: int) -> None:
            chunk = slice(start, start + AT_ONCE)
            wanted = [plans[prompt] for prompt in prompts[chunk]]
            plan = {name: np.stack([one[name] for one in wanted]) for name in wanted[0]}
            pixels[chunk] = self.run_all("draw", ["pixels"], **plan, noise=noise[chunk])["pixels"]

        on_all_cores(some, range(0, len(prompts), AT_ONCE))

    def forget(self) -> None:
        """Read every prompt anew; for measurements."""
        self._plans.clear()

    def _read(self, prompts: Sequence[str]) -> dict[str, Plan]:
        """The plans of different prompts; prompts of one length are read together, without padding."""
        plans = {prompt: self._plans[prompt] for prompt in prompts if prompt in self._plans}
        new = [prompt for prompt in prompts if prompt not in plans]
        ids = encode(self.tokenizer, new, self.max_tokens)
        lengths = (ids != pad_id(self.tokenizer)).sum(1)
        chunks = [
            rows[start : start + AT_ONCE]
            for rows in (np.flatnonzero(lengths == length) for length in np.unique(lengths))
            for start in range(0, len(rows), AT_ONCE)
        ]

        def some(rows: NDArray[np.intp]) -> None:
            found = self.run_all("read", ids=ids[rows, : lengths[rows[0]]])
            for place, row in enumerate(rows):
                plans[new[row]] = {name: values[place] for name, values in found.items()}

        on_all_cores(some, chunks)
        self._plans.update({prompt: plans[prompt] for prompt in new[:MAX_PLANS]})
        while len(self._plans) > MAX_PLANS:
            del self._plans[next(iter(self._plans))]
        return plans


class Describer(_Model):
    """A captioner: a picture to words."""

    def see(self, image: Pixels) -> Vectors:
        """A picture, uint8 (S, S, 3), as the sequence that the language model reads: (1, cells, width)."""
        return self.run("see", images=from_pixels(image[None]))

    def describe(
        self, cells: Vectors, temperature: float = 0.0, rng: np.random.Generator | None = None
    ) -> str:
        """Write a caption: at each step the most probable word, or with a temperature one drawn by lot."""
        pad, eos = self.config["pad_id"], self.config["eos_id"]
        ids = [self.config["start_id"]]
        for _ in range(self.max_tokens):
            logits = self.run("next_word", ids=np.array([ids], np.int64), cells=cells)[0].astype(np.float64)
            if pad != eos:
                logits[pad] = -np.inf
            if temperature and rng is not None:
                # The largest of logits plus Gumbel noise is a draw from their softmax.
                logits = logits / temperature + rng.gumbel(size=len(logits))
            ids.append(int(logits.argmax()))
            if ids[-1] == eos:
                break
        return decode(self.tokenizer, np.array([ids[1:]], np.int64))[0]


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


class Choice(NamedTuple):
    """A generator: its family, and the form that is drawn with; None is the whole network in fp32."""

    family: str
    form: str | None

    @property
    def name(self) -> str:
        """For lists and sheets: the family, and the form if it is not the whole network."""
        return self.family if self.form is None else f"{self.family} {self.form}"


def choose(champion: Mapping[str, Any], model: str = "champion", budget: str = "balanced") -> Choice:
    """Say which generator a wish means; smaller forms exist of the champion's family only.

    Args:
        champion: What the compression chose.
        model: ``champion``, or a family.
        budget: ``fast``, ``balanced`` or ``best``.

    Raises:
        LexipixError: An earlier version made the choice.
    """
    if "budgets" not in champion:
        raise LexipixError(
            "champion.json was written by an earlier version and knows no budgets: run "
            "`kedro run --pipelines compression` again."
        )
    family: str = champion["family"] if model == "champion" else model
    variant = champion["budgets"][budget] if family == champion["family"] else WHOLE
    return Choice(family, None if variant == WHOLE else variant)


def noise_of(seed: int, index: int, width: int) -> Vectors:
    """Standard normal noise (1, width) of picture ``index`` under a seed."""
    return np.random.default_rng([seed, index]).standard_normal((1, width), np.float32)


def from_pixels(images: Pixels) -> Vectors:
    """uint8 (B, H, W, 3) to float (B, 3, H, W) in [-1, 1]."""
    return np.ascontiguousarray(images.transpose(0, 3, 1, 2).astype(np.float32) / np.float32(127.5) - 1)


def on_all_cores(function: Callable[[T], R], items: Sequence[T]) -> list[R]:
    """Apply a function to items, in order, on as many threads as there are cores."""
    n_threads = min(_n_cores(), len(items))
    if n_threads <= 1:
        return [function(item) for item in items]
    with ThreadPoolExecutor(n_threads) as pool:
        return list(pool.map(function, items))


def _n_cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
