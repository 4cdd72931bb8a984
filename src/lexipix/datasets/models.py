"""A trained model as a folder: config.json, model.safetensors, tokenizer.json, card.json. No pickle."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kedro_datasets._typing import JSONPreview

from lexipix.datasets.base import FolderDataset
from lexipix.datasets.files import plain
from lexipix.utils.errors import LexipixError
from lexipix.utils.git import code_revision
from lexipix.utils.model_files import CARD, CONFIG, TOKENIZER, WEIGHTS, read_json
from lexipix.utils.types import ModelBundle

if TYPE_CHECKING:
    from torch import Tensor


class ModelFolderDataset(FolderDataset[ModelBundle]):
    """A ``ModelBundle`` as a folder; the code revision joins the card when it is saved.

    Tensors that share memory (tied weights) are written once each, as safetensors knows no sharing.
    """

    def load(self) -> ModelBundle:
        name, hint = self.path.name, f"run `{self.made_by}`" if self.made_by else "train it"
        if not self.path.is_dir():
            raise LexipixError(f"There is no trained {name} at {self.path}: {hint} first.")
        missing = [file for file in (CONFIG, WEIGHTS, CARD) if not (self.path / file).is_file()]
        if missing:
            raise LexipixError(
                f"The {name} at {self.path} is incomplete, {' and '.join(missing)} missing: {hint} again."
            )
        try:
            return self._read(self.path)
        except LexipixError as error:
            raise LexipixError(f"{error} The {name} cannot be used: {hint} again.") from error

    def _read(self, path: Path) -> ModelBundle:
        tokenizer = path / TOKENIZER
        return ModelBundle(
            config=read_json(path / CONFIG),
            weights=read_tensors(path / WEIGHTS)[0],
            tokenizer=tokenizer.read_text(encoding="utf-8") if tokenizer.is_file() else None,
            card=read_json(path / CARD),
        )

    def _write(self, path: Path, data: ModelBundle) -> None:
        write_json(path / CONFIG, data.config)
        write_tensors(path / WEIGHTS, data.weights)
        if data.tokenizer is not None:
            (path / TOKENIZER).write_text(data.tokenizer, encoding="utf-8")
        write_json(path / CARD, {**data.card, "code_revision": code_revision()})

    def preview(self) -> JSONPreview:
        """Show the model's card in Kedro-Viz."""
        return JSONPreview((self.path / CARD).read_text(encoding="utf-8"))

    def _exists(self) -> bool:
        return all((self.path / file).is_file() for file in (CONFIG, WEIGHTS, CARD))


def write_tensors(path: Path, tensors: Mapping[str, "Tensor"], meta: Mapping[str, str] | None = None) -> None:
    """Write tensors, and texts beside them in the file's header, as safetensors."""
    from safetensors.torch import save_file

    seen: set[int] = set()
    ready: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        own = tensor.detach().cpu().contiguous()
        if own.untyped_storage().data_ptr() in seen:
            own = own.clone()
        seen.add(own.untyped_storage().data_ptr())
        ready[name] = own
    # Of neither tensors nor texts safetensors writes a header that it cannot read
    save_file(ready, path, metadata=dict(meta or {}) if ready or meta else None)


def read_tensors(path: Path) -> "tuple[dict[str, Tensor], dict[str, str]]":
    """Read a safetensors file: its tensors on the CPU and the texts of its header.

    Raises:
        LexipixError: The file is damaged or cut short.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            return {name: file.get_tensor(name) for name in file.keys()}, dict(file.metadata() or {})  # noqa: SIM118
    except (SafetensorError, OSError, ValueError) as error:
        raise LexipixError(f"{path} is damaged or cut short ({error}).") from error


def write_json(path: Path, data: Mapping[str, Any]) -> None:
    """Write a JSON object; a figure that is not finite is written as null."""
    text = json.dumps(plain(dict(data)), indent=2, ensure_ascii=False, allow_nan=False)
    path.write_text(text + "\n", encoding="utf-8")
