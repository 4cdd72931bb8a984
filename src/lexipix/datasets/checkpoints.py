"""Where a training keeps what it needs to go on after an interruption."""

import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from kedro.io import AbstractDataset

from lexipix.datasets.files import plain
from lexipix.datasets.models import read_tensors, write_tensors
from lexipix.utils.atomic import replace_file
from lexipix.utils.errors import LexipixError
from lexipix.utils.types import CheckpointStore

if TYPE_CHECKING:
    from torch import Tensor

_log = logging.getLogger(__name__)


class FileCheckpoints:
    """One generation in one safetensors file; what is not a tensor lies as JSON in its header.

    One file, so that tensors and counters can never be of different generations.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def save(self, tensors: Mapping[str, "Tensor"], meta: Mapping[str, Any]) -> None:
        """Replace the kept generation atomically."""
        with replace_file(self.path) as temporary:
            write_tensors(temporary, tensors, {"meta": json.dumps(plain(dict(meta)))})

    def load(self) -> "tuple[dict[str, Tensor], dict[str, Any]] | None":
        """Give the kept generation; a damaged one is told and treated as if there were none."""
        if not self.path.is_file():
            return None
        try:
            tensors, header = read_tensors(self.path)
            return tensors, dict(json.loads(header["meta"]))
        except (LexipixError, KeyError, TypeError, ValueError) as error:
            _log.warning("The checkpoint %s cannot be used, training starts afresh: %s", self.path, error)
            return None

    def clear(self) -> None:
        """Forget the kept generation."""
        self.path.unlink(missing_ok=True)


class CheckpointStoreDataset(AbstractDataset[NoReturn, CheckpointStore]):
    """Loads as the store a training saves to; nothing is saved to it by a node's return.

    Args:
        filepath: The checkpoint file, ``….safetensors``.
        metadata: For others to read.
    """

    def __init__(self, *, filepath: str, metadata: dict[str, Any] | None = None) -> None:
        self.path = Path(filepath)
        self.metadata = metadata

    def load(self) -> CheckpointStore:
        return FileCheckpoints(self.path)

    def save(self, data: NoReturn) -> None:
        raise TypeError("a checkpoint store is written to by the training itself")

    def _exists(self) -> bool:
        return True  # to be written to; whether it holds something is the answer of the store's load()

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self.path)}
