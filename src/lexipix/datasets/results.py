"""Results that a person looks into, a folder or a tar archive: pictures, sheets, lists of what they are."""

import json
import os
import shutil
import tarfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import IO, Any

from lexipix.datasets.atomic import replace_folder
from lexipix.datasets.base import FolderDataset, PathDataset
from lexipix.datasets.files import plain
from lexipix.datasets.png import encode_png
from lexipix.errors import LexipixError

LIST = "generated.jsonl"
ARCHIVE = ".tar"
_KINDS = {".png", ".json", ".jsonl"}

Results = Mapping[str, Any] | Iterable[tuple[str, Any]]


class ResultsFolderDataset(FolderDataset[Any]):
    """File name -> content; the ending says what it is: .png (uint8 (H, W, 3)), .json, or .jsonl (rows).

    A mapping, or pairs one after another, of which only a few are in memory at a time.

    The folder may be the user's own: other files in it stay as they are. Of earlier results the pictures that
    ``generated.jsonl`` lists go when the new list does not have them, so that list and pictures always agree.
    """

    def save(self, data: Results) -> None:
        if self.path.exists() and not self.path.is_dir():
            raise LexipixError(f"{self.path} is a file, not a folder: name another folder for the results.")
        stale = self._listed()
        names: list[str] = []
        # A folder that is new becomes visible as a whole; into one that exists the files move one by one
        ready = self.path / ".ready" if self.path.exists() else self.path
        with replace_folder(ready) as temporary:
            for name, content in _pairs(data):
                with (temporary / name).open("wb") as file:
                    _encode(name, content, file)
                names.append(name)
        if ready != self.path:
            for name in names:
                os.replace(ready / name, self.path / name)
            shutil.rmtree(ready)
        stale -= set(names)
        for name in stale:
            (self.path / name).unlink(missing_ok=True)

    def _read(self, path: Path) -> Mapping[str, Any]:
        return {file.name: _from_file(file) for file in sorted(path.iterdir()) if file.suffix in _KINDS}

    def _write(self, path: Path, data: Any) -> None:
        raise NotImplementedError  # pragma: no cover - save() writes file by file

    def _listed(self) -> set[str]:
        """Numbered pictures that the list of earlier results names; a list that is not ours names none."""
        try:
            rows = _from_file(self.path / LIST)
            files = {str(row["file"]) for row in rows}
        except (OSError, ValueError, KeyError, TypeError):
            return set()
        return {file for file in files if file.endswith(".png") and file[:-4].isdigit()}


class ResultsArchiveDataset(PathDataset[Any]):
    """The same in one tar file, uncompressed, pictures first.

    For a great many pictures: to make a file takes a file system longer than to draw what is in it. The same
    results are the same bytes: members have no owner and no date. Readers of WebDataset archives take it.
    """

    def _write(self, path: Path, data: Results) -> None:
        with path.open("wb") as file:
            for name, content in _pairs(data):
                start = file.tell()
                file.write(bytes(tarfile.BLOCKSIZE))
                _encode(name, content, file)
                member = tarfile.TarInfo(name)
                member.size = file.tell() - start - tarfile.BLOCKSIZE
                file.write(bytes(-member.size % tarfile.BLOCKSIZE))
                end = file.tell()
                file.seek(start)
                file.write(member.tobuf(tarfile.USTAR_FORMAT))
                file.seek(end)
            file.write(bytes(2 * tarfile.BLOCKSIZE))

    def _read(self, path: Path) -> Mapping[str, Any]:
        with tarfile.open(path) as archive:
            files = ((member.name, archive.extractfile(member)) for member in archive)
            return {name: _decode(name, file) for name, file in files if file is not None}


def _pairs(data: Results) -> Iterable[tuple[str, Any]]:
    return data.items() if isinstance(data, Mapping) else data


def _encode(name: str, content: Any, file: IO[bytes]) -> None:
    if name.endswith(".png"):
        file.write(encode_png(content))
    elif name.endswith(".jsonl"):
        file.writelines(_json(row) for row in content)
    else:
        file.write(_json(content, indent=2))


def _json(content: Any, indent: int | None = None) -> bytes:
    return (json.dumps(plain(content), indent=indent, ensure_ascii=False, allow_nan=False) + "\n").encode()


def _decode(name: str, file: IO[bytes]) -> Any:
    if name.endswith(".png"):
        import numpy as np
        from PIL import Image

        with Image.open(file) as image:
            return np.asarray(image.convert("RGB"))
    text = file.read().decode()
    return [json.loads(line) for line in text.splitlines()] if name.endswith(".jsonl") else json.loads(text)


def _from_file(path: Path) -> Any:
    with path.open("rb") as file:
        return _decode(path.name, file)
