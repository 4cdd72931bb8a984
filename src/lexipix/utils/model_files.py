"""The files of a model's folder, read without Kedro: a service has neither it nor torch."""

import json
from pathlib import Path
from typing import Any

from lexipix.utils.errors import LexipixError
from lexipix.utils.types import OnnxModel

CONFIG, WEIGHTS, TOKENIZER, CARD = "config.json", "model.safetensors", "tokenizer.json", "card.json"


def read_onnx_model(path: Path) -> OnnxModel:
    """Read an exported model.

    Raises:
        LexipixError: A file of it is damaged.
    """
    tokenizer = path / TOKENIZER
    return OnnxModel(
        config=read_json(path / CONFIG),
        graphs={file.stem: file.read_bytes() for file in sorted(path.glob("*.onnx"))},
        tokenizer=tokenizer.read_text(encoding="utf-8") if tokenizer.is_file() else None,
        card=read_json(path / CARD),
    )


def read_json(path: Path) -> dict[str, Any]:
    """Read a file that holds a JSON object.

    Raises:
        LexipixError: It holds something else.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise LexipixError(f"{path} is not valid JSON ({error}).") from error
    if not isinstance(data, dict):
        raise LexipixError(f"{path} holds a {type(data).__name__}, not an object.")
    return data
