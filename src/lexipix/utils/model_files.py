"""Reads the files of a model's folder without Kedro and torch, which a service does not have."""

import json
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lexipix.utils.errors import LexipixError
from lexipix.utils.lazy_mapping import LazyMapping
from lexipix.utils.permissions import reading
from lexipix.utils.types import OnnxModel, OnnxPipeline

if TYPE_CHECKING:
    import numpy as np

MAX_MODEL_BYTES = 2**30  # of graphs, or of arrays; those of the default recipes have 40 MB
MAX_TEXT_BYTES = 64 * 10**6  # of a JSON file; the tokenizers of large language models have 20 MB
CONFIG, WEIGHTS, TOKENIZER, CARD = "config.json", "model.safetensors", "tokenizer.json", "card.json"
GENERATOR = "generator"  # the folder with the network of a champion in safetensors


def read_onnx_model(path: Path) -> OnnxModel:
    """An exported model, read from its folder; LexipixError if a file is damaged."""
    with reading(path):
        return OnnxModel(
            config=read_json(path / CONFIG),
            graphs=_read_graphs(path),
            tokenizer=read_tokenizer(path / TOKENIZER),
            card=read_json(path / CARD),
            arrays=_read_arrays(path / WEIGHTS),
        )


def _read_graphs(path: Path) -> dict[str, bytes]:
    files = sorted(path.glob("*.onnx"))
    n_bytes = sum(checked_file(file).stat().st_size for file in files)
    if n_bytes > MAX_MODEL_BYTES:
        raise LexipixError(
            f"The ONNX files in {path} have {n_bytes:,} bytes together, more than the {MAX_MODEL_BYTES:,} of "
            "any exported model: it is none."
        )
    return {file.stem: file.read_bytes() for file in files}


def read_tokenizer(path: Path) -> str | None:
    """The text of a model's ``tokenizer.json``; None if it has none, a LexipixError if it is no text."""
    if not path.exists():
        return None
    try:
        return checked_file(path, MAX_TEXT_BYTES).read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise LexipixError(
            f"{path} is damaged: it is no text in UTF-8 ({error.reason}). Copy or train the model again."
        ) from error


def checked_file(path: Path, max_bytes: int = MAX_MODEL_BYTES) -> Path:
    """The path of a file that memory can hold; a LexipixError if it is larger, or a device or pipe."""
    if path.exists() and not path.is_file():
        raise LexipixError(f"{path} is no file: it cannot be a part of a model.")
    if (size := path.stat().st_size) > max_bytes:
        raise LexipixError(
            f"{path} has {size:,} bytes, more than the {max_bytes:,} of any exported model: it is none."
        )
    return path


def _read_arrays(path: Path) -> "dict[str, np.ndarray]":
    """NumPy arrays of a safetensors file; none if there is no file, a LexipixError if it is damaged."""
    if not path.exists():
        return {}
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    with reading(path, SafetensorError):
        arrays: dict[str, np.ndarray] = load_file(checked_file(path))
        return arrays


def read_onnx_pipeline(path: Path) -> OnnxPipeline:
    """Exported models that share a folder and its tokenizer, each read when it is first used."""
    read = partial(_read_model_of_pipeline, path, _read_arrays(path / WEIGHTS))
    with reading(path):
        names = sorted(config.parent.name for config in path.glob(f"*/{CONFIG}"))
        return OnnxPipeline(read_json(path / CONFIG), LazyMapping(names, read), read_json(path / CARD))


def _read_model_of_pipeline(path: Path, arrays: dict[str, Any], name: str) -> OnnxModel:
    model = read_onnx_model(path / name)
    if model.tokenizer is None:
        model.tokenizer = read_tokenizer(path / TOKENIZER)
    if "retrieval" in model.config:
        model.arrays = arrays
    return model


def holds_networks(folder: Path) -> bool:
    """Whether a champion's folder holds networks, which need torch, instead of exported graphs."""
    return (folder / GENERATOR / WEIGHTS).is_file()


def read_json(path: Path) -> dict[str, Any]:
    """The JSON object in a file; LexipixError if it holds something else."""
    try:
        data = json.loads(checked_file(path, MAX_TEXT_BYTES).read_text(encoding="utf-8"))
    except LexipixError:
        raise
    except (ValueError, RecursionError) as error:
        raise LexipixError(f"{path} is not valid JSON ({error}).") from error
    if not isinstance(data, dict):
        raise LexipixError(f"{path} holds a {type(data).__name__} instead of a JSON object.")
    return data
