"""The graphs of an exported model in ONNX Runtime, without torch."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from tokenizers import Tokenizer

from lexipix.data.tokenization import encode, eos_id, pad_id
from lexipix.inference.exported_config import REMEDY, ExportedConfig, checked
from lexipix.utils.errors import LexipixError
from lexipix.utils.onnx_files import has_external_data
from lexipix.utils.tokenizer_files import require_small_steps
from lexipix.utils.types import OnnxModel

Pixels = NDArray[np.uint8]
Vectors = NDArray[np.float32]

BATCH = 16  # images in one run of a graph: larger batches are no faster


class OnnxSession:
    """Runs the graphs of one model. A graph is loaded when it is first used.

    A graph runs on one thread. The callers distribute images over the cores. So a result depends neither on
    the number of images nor on the number of cores, down to the last bit, and all cores are busy.
    """

    graphs: ClassVar[Sequence[str]] = ()  # that the model must have
    config_type: ClassVar[type[ExportedConfig]] = ExportedConfig

    def __init__(self, model: OnnxModel) -> None:
        missing = [f"{name}.onnx" for name in self.graphs if name not in model.graphs]
        if missing:
            raise LexipixError(f"An exported model lacks {' and '.join(missing)}. {REMEDY}")
        self.config = checked(self.config_type, model.config)
        self.max_tokens = self.config.max_tokens
        self.image_size, self.image_channels = self.config.image_size, self.config.image_channels
        self.model = model
        self._sessions: dict[str, onnxruntime.InferenceSession] = {}

    @cached_property
    def tokenizer(self) -> Tokenizer:
        """The tokenizer that the model was trained with; a LexipixError if it is none of ours."""
        try:
            require_small_steps(self.model.tokenizer or "")
            tokenizer = Tokenizer.from_str(self.model.tokenizer or "")
            ids = [] if tokenizer.padding is None else [pad_id(tokenizer), eos_id(tokenizer)]
        except Exception as error:  # tokenizers has no class of its own for it
            raise damaged("tokenizer.json", error) from error
        if not ids or any(tokenizer.id_to_token(number) is None for number in ids):
            raise damaged("tokenizer.json", "it has no padding, or its padding is none of its tokens")
        return tokenizer

    def token_ids(self, text: str) -> NDArray[np.int64]:
        """Token ids (1, L) of a text, truncated to the model's maximum length."""
        return encode(self.tokenizer, [text], self.max_tokens)

    def run(self, graph: str, *outputs: str, **inputs: NDArray[Any]) -> dict[str, NDArray[Any]]:
        """The outputs of a graph by name; all of them if none is named."""
        if graph not in self._sessions:
            options = onnxruntime.SessionOptions()
            options.intra_op_num_threads = options.inter_op_num_threads = 1
            options.log_severity_level = 3
            options.add_session_config_entry("session.load_model_format", "ONNX")  # no other is checked
            content = self.model.graphs[graph]
            with _usable(graph):
                if has_external_data(content):
                    raise damaged(f"{graph}.onnx", "some of its data is in another file")
                self._sessions[graph] = onnxruntime.InferenceSession(
                    content, options, ["CPUExecutionProvider"]
                )
        session = self._sessions[graph]
        with _usable(graph):
            names = outputs or [value.name for value in session.get_outputs()]
            return dict(zip(names, session.run(names, inputs), strict=True))


@contextmanager
def _usable(graph: str) -> Iterator[None]:
    """Report a graph that ONNX Runtime cannot load or run as a damaged file."""
    try:
        yield
    except Exception as error:
        if isinstance(error, LexipixError):
            raise
        if isinstance(error, ValueError) or type(error).__module__.startswith(onnxruntime.__name__):
            raise damaged(f"{graph}.onnx", error) from error
        raise


@contextmanager
def fitting() -> Iterator[None]:
    """Report parts of a model that do not fit each other as damage: shapes, ids beyond a table, other names.

    It also is a decorator. A defect of lexipix inside can look the same; the cause is kept.
    """
    try:
        yield
    except LexipixError:
        raise
    except (ArithmeticError, AssertionError, LookupError, TypeError, ValueError) as error:
        raise damaged("files", f"{type(error).__name__}: {error}") from error


def damaged(file: str, error: object) -> LexipixError:
    """The error of an exported model with a file that cannot be used."""
    reason = " ".join(str(error).split())[:300]
    return LexipixError(f"The {file} of an exported model cannot be used ({reason}). {REMEDY}")


def image_format(model: OnnxSession) -> dict[str, Any]:
    """The parameters of the ingestion, by name, that make an image one of a model's."""
    return {"image_size": model.image_size, "alpha": "keep" if model.image_channels == 4 else "flatten"}


def normalize_pixels(images: Pixels) -> Vectors:
    """Convert uint8 (B, H, W, C) to float32 (B, C, H, W) in [-1, 1]."""
    return np.ascontiguousarray(images.transpose(0, 3, 1, 2).astype(np.float32) / np.float32(127.5) - 1)
