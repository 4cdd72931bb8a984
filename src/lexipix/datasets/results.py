"""Folders that a person looks into: pictures, sheets, lists of what they are."""

import json
import os
import shutil
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import Any

from lexipix.datasets.atomic import replace_folder
from lexipix.datasets.base import FolderDataset
from lexipix.datasets.files import plain
from lexipix.errors import LexipixError

LIST = "generated.jsonl"
AT_ONCE = 256  # files written in threads before the next are asked for


class ResultsFolderDataset(FolderDataset[Any]):
    """File name -> content; the ending says what it is: .png (uint8 (H, W, 3)), .json, or .jsonl (rows).

    A mapping, or pairs one after another, of which only a few are in memory at a time.

    The folder may be the user's own: other files in it stay as they are. Of earlier results the pictures that
    ``generated.jsonl`` lists go when the new list does not have them, so that list and pictures always agree.
    """

    def save(self, data: Mapping[str, Any] | Iterable[tuple[str, Any]]) -> None:
        if self.path.exists() and not self.path.is_dir():
            raise LexipixError(f"{self.path} is a file, not a folder: name another folder for the results.")
        stale = self._listed()
        names: list[str] = []
        pairs = iter(data.items() if isinstance(data, Mapping) else data)
        # A folder that is new becomes visible as a whole; into one that exists the files move one by one
        ready = self.path / ".ready" if self.path.exists() else self.path
        with replace_folder(ready) as temporary, ThreadPoolExecutor(os.cpu_count()) as pool:
            while some := list(islice(pairs, AT_ONCE)):
                list(pool.map(lambda pair: _write(temporary / pair[0], pair[1]), some))
                names.extend(name for name, _ in some)
        if ready != self.path:
            for name in names:
                os.replace(ready / name, self.path / name)
            shutil.rmtree(ready)
        stale -= set(names)
        for name in stale:
            (self.path / name).unlink(missing_ok=True)

    def _read(self, path: Path) -> Mapping[str, Any]:
        return {file.name: _read(file) for file in sorted(path.iterdir()) if file.suffix in _KINDS}

    def _write(self, path: Path, data: Any) -> None:
        raise NotImplementedError  # pragma: no cover - save() writes file by file

    def _listed(self) -> set[str]:
        """Numbered pictures that the list of earlier results names; a list that is not ours names none."""
        try:
            rows = _read(self.path / LIST)
            files = {str(row["file"]) for row in rows}
        except (OSError, ValueError, KeyError, TypeError):
            return set()
        return {file for file in files if file.endswith(".png") and file[:-4].isdigit()}


_KINDS = {".png", ".json", ".jsonl"}


def _write(path: Path, content: Any) -> None:
    if path.suffix == ".png":
        from PIL import Image

        Image.fromarray(content).save(path, format="PNG", compress_level=3)
    elif path.suffix == ".jsonl":
        with path.open("w", encoding="utf-8", newline="\n") as file:
            for row in content:
                file.write(json.dumps(plain(row), ensure_ascii=False, allow_nan=False) + "\n")
    else:
        text = json.dumps(plain(content), indent=2, ensure_ascii=False, allow_nan=False)
        path.write_text(text + "\n", encoding="utf-8")


def _read(path: Path) -> Any:
    if path.suffix == ".png":
        import numpy as np
        from PIL import Image

        with Image.open(path) as image:
            return np.asarray(image.convert("RGB"))
    text = path.read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()] if path.suffix == ".jsonl" else json.loads(text)
