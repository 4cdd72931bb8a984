"""A trained model as a folder: config.json, model.safetensors, tokenizer.json, card.json. No pickle."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Generic, TypeVar

from lexipix.datasets.base import FolderDataset
from lexipix.datasets.files import write_json
from lexipix.datasets.previews import JSONPreview
from lexipix.utils.git import code_revision
from lexipix.utils.model_files import CARD, CONFIG, TOKENIZER, WEIGHTS, read_json, read_tokenizer
from lexipix.utils.permissions import reading
from lexipix.utils.types import ModelBundle, OnnxModel, OnnxPipeline

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

M = TypeVar("M", ModelBundle, OnnxModel, OnnxPipeline)


class ModelDataset(FolderDataset[M], Generic[M]):
    """A model as a folder; saving adds the code revision to its card."""

    kind = "model"
    required: tuple[str, ...] = (CONFIG, CARD)

    def preview(self) -> JSONPreview:
        """The model's card, for Kedro-Viz."""
        return JSONPreview((self.path / CARD).read_text(encoding="utf-8"))


class ModelFolderDataset(ModelDataset[ModelBundle]):
    """A ``ModelBundle`` as a folder; tied weights, which share memory, are written once for each name."""

    kind = "trained"
    required = (CONFIG, CARD, WEIGHTS)

    def _read(self, path: Path) -> ModelBundle:
        return ModelBundle(
            config=read_json(path / CONFIG),
            weights=read_tensors(path / WEIGHTS)[0],
            tokenizer=read_tokenizer(path / TOKENIZER),
            card=read_json(path / CARD),
        )

    def _write(self, path: Path, data: ModelBundle) -> None:
        write_tensors(path / WEIGHTS, data.weights)
        write_texts(path, data)


def write_tensors(path: Path, tensors: Mapping[str, "Tensor"], meta: Mapping[str, str] | None = None) -> None:
    """Write tensors as safetensors, with texts in the file's header."""
    from safetensors.torch import save_file

    # By value, since safetensors refuses tensors that share memory
    ready = {name: tensor.detach().cpu().clone().contiguous() for name, tensor in tensors.items()}
    # With neither tensors nor texts, safetensors would write a header that it cannot read
    save_file(ready, path, metadata=dict(meta or {}) if ready or meta else None)


def write_arrays(path: Path, arrays: "Mapping[str, np.ndarray]") -> None:
    """Write NumPy arrays as safetensors."""
    import numpy as np
    from safetensors.numpy import save_file

    save_file({name: np.ascontiguousarray(values) for name, values in arrays.items()}, path)


def read_tensors(path: Path) -> "tuple[dict[str, Tensor], dict[str, str]]":
    """Tensors of a safetensors file, on the CPU, and its header's texts; LexipixError if it is damaged."""
    from safetensors import SafetensorError, safe_open

    with reading(path, SafetensorError), safe_open(path, framework="pt", device="cpu") as file:
        return {name: file.get_tensor(name) for name in file.keys()}, dict(file.metadata() or {})  # noqa: SIM118


def write_texts(path: Path, data: ModelBundle | OnnxModel | OnnxPipeline) -> None:
    """Write the configuration, the tokenizer and the card, which gets the code revision."""
    write_json(path / CONFIG, data.config)
    if data.tokenizer is not None:
        (path / TOKENIZER).write_text(data.tokenizer, encoding="utf-8")
    write_json(path / CARD, {**data.card, "code_revision": code_revision()})
