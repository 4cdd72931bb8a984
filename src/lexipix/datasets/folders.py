"""Folders that are replaced as a whole: several arrays, or several binary files."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lexipix.datasets.base import FolderDataset
from lexipix.datasets.files import plain, read_array, write_array
from lexipix.errors import LexipixError


class ArrayFolderDataset(FolderDataset[Mapping[str, Any]]):
    """A mapping as a folder: arrays become ``NAME.npy``, everything else ``NAME.json``.

    Loaded arrays are memory-mapped read-only.
    """

    def _read(self, path: Path) -> Mapping[str, Any]:
        data: dict[str, Any] = {}
        for file in sorted(path.iterdir()):
            if file.suffix == ".npy":
                data[file.stem] = read_array(file)
            elif file.suffix == ".json":
                try:
                    data[file.stem] = json.loads(file.read_text(encoding="utf-8"))
                except ValueError as error:
                    raise LexipixError(
                        f"{file} is not valid JSON ({error}): remove {path} and make it again."
                    ) from error
        return data

    def _write(self, path: Path, data: Mapping[str, Any]) -> None:
        import numpy as np

        for name, value in data.items():
            if isinstance(value, np.ndarray):
                write_array(path / f"{name}.npy", value)
            else:
                text = json.dumps(plain(value, name), indent=2, ensure_ascii=False, allow_nan=False)
                (path / f"{name}.json").write_text(text + "\n", encoding="utf-8")


class BytesFolderDataset(FolderDataset[Mapping[str, bytes]]):
    """Relative path -> content, such as exported ONNX models with their description files."""

    def _read(self, path: Path) -> Mapping[str, bytes]:
        return {
            file.relative_to(path).as_posix(): file.read_bytes()
            for file in sorted(path.rglob("*"))
            if file.is_file()
        }

    def _write(self, path: Path, data: Mapping[str, bytes]) -> None:
        for name, content in data.items():
            target = path / name
            if not target.resolve().is_relative_to(path.resolve()):
                raise ValueError(f"{name!r} leads out of its folder")
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
