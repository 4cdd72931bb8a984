"""Several arrays in a folder that is replaced as a whole."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lexipix.datasets.base import FolderDataset
from lexipix.datasets.files import read_array, write_json


class ArrayFolderDataset(FolderDataset[Mapping[str, Any]]):
    """A mapping as a folder: arrays become ``NAME.npy``, loaded memory-mapped, the rest ``NAME.json``."""

    def _read(self, path: Path) -> Mapping[str, Any]:
        arrays = {file.stem: read_array(file) for file in path.glob("*.npy")}
        return arrays | {file.stem: json.loads(file.read_bytes()) for file in path.glob("*.json")}

    def _write(self, path: Path, data: Mapping[str, Any]) -> None:
        import numpy as np

        for name, value in data.items():
            if isinstance(value, np.ndarray):
                np.save(path / f"{name}.npy", value, allow_pickle=False)
            else:
                write_json(path / f"{name}.json", value, name)
