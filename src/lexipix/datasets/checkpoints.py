"""Training checkpoints: what a training needs to continue after an interruption."""

import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lexipix.datasets.base import ServiceDataset
from lexipix.datasets.files import plain
from lexipix.datasets.models import read_tensors, write_tensors
from lexipix.utils.atomic import replace_file
from lexipix.utils.errors import LexipixError
from lexipix.utils.permissions import not_readable
from lexipix.utils.types import CheckpointStore

if TYPE_CHECKING:
    from torch import Tensor

_log = logging.getLogger(__name__)


class FileCheckpoints(CheckpointStore):
    """Keeps the last checkpoint in one safetensors file; data other than tensors is JSON in its header."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def save(self, tensors: Mapping[str, "Tensor"], meta: Mapping[str, Any]) -> None:
        with replace_file(self.path) as temporary:
            write_tensors(temporary, tensors, {"meta": json.dumps(plain(dict(meta)))})

    def load(self) -> "tuple[dict[str, Tensor], dict[str, Any]] | None":
        if reason := not_readable(self.path):
            raise LexipixError(
                f"The checkpoint cannot be read: {reason}, or delete it to train from the start."
            )
        if not self.path.is_file():
            return None
        try:
            tensors, header = read_tensors(self.path)
            return tensors, dict(json.loads(header["meta"]))
        except (LexipixError, KeyError, TypeError, ValueError) as error:
            _log.warning("The checkpoint %s cannot be used, training starts again: %s", self.path, error)
            return None

    def clear(self) -> None:
        self.path.unlink(missing_ok=True)


class CheckpointStoreDataset(ServiceDataset[CheckpointStore]):
    """Loads as the store to which a training saves its checkpoints, a safetensors file."""

    def __init__(self, *, filepath: str) -> None:
        self.path = Path(filepath)

    def load(self) -> CheckpointStore:
        return FileCheckpoints(self.path)
