"""Reads the files of a model's folder without Kedro and torch, which a service does not have."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from lexipix.utils.errors import LexipixError
from lexipix.utils.types import OnnxModel, OnnxPipeline

CONFIG, WEIGHTS, TOKENIZER, CARD = "config.json", "model.safetensors", "tokenizer.json", "card.json"


def read_onnx_model(path: Path) -> OnnxModel:
    """An exported model, read from its folder.

    Raises:
        LexipixError: A file is damaged.
    """
    tokenizer = path / TOKENIZER
    return OnnxModel(
        config=read_json(path / CONFIG),
        graphs={file.stem: file.read_bytes() for file in sorted(path.glob("*.onnx"))},
        tokenizer=tokenizer.read_text(encoding="utf-8") if tokenizer.is_file() else None,
        card=read_json(path / CARD),
    )


def read_onnx_pipeline(path: Path) -> OnnxPipeline:
    """Exported models that share a folder, each read when it is first used; errors as for a single one."""
    return OnnxPipeline(read_json(path / CONFIG), _ModelFolders(path), read_json(path / CARD))


class _ModelFolders(Mapping[str, OnnxModel]):
    """The models in a folder's subfolders; one without a tokenizer uses that of the whole folder."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._names = sorted(config.parent.name for config in path.glob(f"*/{CONFIG}"))
        self._models: dict[str, OnnxModel] = {}

    def __getitem__(self, name: str) -> OnnxModel:
        if name not in self._names:
            raise KeyError(name)
        if name not in self._models:
            model, shared = read_onnx_model(self._path / name), self._path / TOKENIZER
            if model.tokenizer is None and shared.is_file():
                model = replace(model, tokenizer=shared.read_text(encoding="utf-8"))
            self._models[name] = model
        return self._models[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


def read_json(path: Path) -> dict[str, Any]:
    """The JSON object in a file.

    Raises:
        LexipixError: The file holds something else.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise LexipixError(f"{path} is not valid JSON ({error}).") from error
    if not isinstance(data, dict):
        raise LexipixError(f"{path} holds a {type(data).__name__} instead of a JSON object.")
    return data
