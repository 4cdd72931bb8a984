"""Results for the user in a folder or a tar archive: images, contact sheets, and lists of them."""

import json
import os
import shutil
import tarfile
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import IO, Any

from lexipix.datasets.base import FolderDataset, PathDataset
from lexipix.datasets.files import plain
from lexipix.utils.atomic import replace_folder
from lexipix.utils.errors import LexipixError
from lexipix.utils.png import encode_png

LIST = "generated.jsonl"
ARCHIVE = ".tar"
_LINE = json.JSONEncoder(ensure_ascii=False, allow_nan=False, default=plain)
_EMPTY = tarfile.TarInfo().tobuf(tarfile.USTAR_FORMAT)
_KINDS = {".png", ".json", ".jsonl"}

Results = Mapping[str, Any] | Iterable[tuple[str, Any]]


class ResultsFolderDataset(FolderDataset[Any]):
    """Contents by file name, as a mapping or as pairs that arrive one by one.

    The suffix decides the content: .png (uint8 (H, W, 3)), .json, or .jsonl (rows).

    The folder may be the user's own: other files in it are kept. Images of earlier results that the old
    ``generated.jsonl`` lists and the new one does not are deleted, so that list and images always agree.
    """

    def save(self, data: Results) -> None:
        if self.path.exists() and not self.path.is_dir():
            raise LexipixError(f"{self.path} is a file, not a folder: choose another folder for the results.")
        stale = self._listed()
        names: list[str] = []
        # A new folder appears as a whole; files move into an existing folder one by one
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
        """Numbered images in the list of earlier results; none if the list has another format."""
        try:
            rows = _from_file(self.path / LIST)
            files = {str(row["file"]) for row in rows}
        except (OSError, ValueError, KeyError, TypeError):
            return set()
        return {file for file in files if file.endswith(".png") and file[:-4].isdigit()}


class ResultsArchiveDataset(PathDataset[Any]):
    """The same contents in one uncompressed tar file, which readers of WebDataset archives can read.

    It is meant for many images: a file system takes longer to create a file than the model to generate an
    image. The same results give the same bytes, because members have no owner and no date.
    """

    def save(self, data: Results) -> None:
        if self.path.is_dir():
            raise LexipixError(f"{self.path} is a folder: choose a new file name for the archive.")
        super().save(data)

    def _write(self, path: Path, data: Results) -> None:
        with path.open("wb") as file:
            for name, content in _pairs(data):
                with tempfile.SpooledTemporaryFile(
                    max_size=2**20
                ) as member:  # the header before it holds its length
                    _encode(name, content, member)
                    size = member.tell()
                    member.write(bytes(-size % tarfile.BLOCKSIZE))
                    member.seek(0)
                    file.write(_header(name, size))
                    shutil.copyfileobj(member, file)
            file.write(bytes(2 * tarfile.BLOCKSIZE))

    def _read(self, path: Path) -> Mapping[str, Any]:
        with tarfile.open(path) as archive:
            files = ((member.name, archive.extractfile(member)) for member in archive)
            return {name: _decode(name, file) for name, file in files if file is not None}


def _pairs(data: Results) -> Iterable[tuple[str, Any]]:
    return data.items() if isinstance(data, Mapping) else data


def _header(name: str, size: int) -> bytes:
    """The header that `tarfile` writes before a file, in a fifth of the time.

    It is the header of an empty file with name, size and checksum replaced
    (https://pubs.opengroup.org/onlinepubs/9699919799/utilities/pax.html, ustar).
    """
    header, encoded = bytearray(_EMPTY), name.encode()
    header[: len(encoded)] = encoded
    header[124:135] = b"%011o" % size
    header[148:156] = b" " * 8  # the checksum counts itself as spaces
    header[148:155] = b"%06o\0" % sum(header)
    return bytes(header)


def _encode(name: str, content: Any, file: IO[bytes]) -> None:
    if name.endswith(".png"):
        file.write(encode_png(content))
    elif name.endswith(".jsonl"):
        file.writelines(f"{_LINE.encode(row)}\n".encode() for row in content)
    else:
        text = json.dumps(plain(content), indent=2, ensure_ascii=False, allow_nan=False)
        file.write(f"{text}\n".encode())


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
