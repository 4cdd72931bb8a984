"""Results for the user in a folder or a tar archive: images, contact sheets, and lists of them."""

import json
import os
import shutil
import tarfile
from collections.abc import Iterable, Mapping, Sequence, Set
from pathlib import Path
from typing import Any

from lexipix.datasets.base import FolderDataset, PathDataset
from lexipix.datasets.files import plain
from lexipix.utils.atomic import replace_folder
from lexipix.utils.errors import LexipixError
from lexipix.utils.png import decode_png, encode_png

LIST = "generated.jsonl"
_OLD_LIST = ".generated.jsonl.old"  # while its images are replaced
ARCHIVE = ".tar"
_LINE = json.JSONEncoder(ensure_ascii=False, allow_nan=False, default=plain)
_KINDS = {".png", ".json", ".jsonl"}

Results = Mapping[str, Any] | Iterable[tuple[str, Any]]


class ResultsFolderDataset(FolderDataset[Any]):
    """Contents by file name, as pairs that may come one by one: .png (uint8 (H, W, C)), .json, .jsonl (rows).

    The folder may be the user's own: other files in it are kept. Images that the old ``generated.jsonl``
    lists and the new one does not are deleted, so that list and images always agree. A process that is killed
    while files are replaced leaves no list.
    """

    def save(self, data: Results) -> None:
        if self.path.exists() and not self.path.is_dir():
            raise LexipixError(f"{self.path} is a file, not a folder: choose another folder for the results.")
        stale = self._listed(LIST) | self._listed(_OLD_LIST)
        names: list[str] = []
        # A new folder appears as a whole; files move into an existing folder one by one
        ready = self.path / ".ready" if self.path.exists() else self.path
        with replace_folder(ready) as temporary:
            for name, content in data.items() if isinstance(data, Mapping) else data:
                (temporary / name).write_bytes(_encode(name, content))
                names.append(name)
        if ready != self.path:
            self._move(ready, names, stale)
            shutil.rmtree(ready)

    def _move(self, ready: Path, names: Sequence[str], stale: Set[str]) -> None:
        """Move files into this folder; a list is there only beside the images that it lists."""
        if LIST in names and (self.path / LIST).exists():
            os.replace(self.path / LIST, self.path / _OLD_LIST)
        for name in names:
            if name != LIST:
                os.replace(ready / name, self.path / name)
        self._remove(stale - set(names))
        if LIST in names:
            os.replace(ready / LIST, self.path / LIST)
        self._remove({_OLD_LIST})

    def _remove(self, names: Set[str]) -> None:
        for name in names:
            (self.path / name).unlink(missing_ok=True)

    def _read(self, path: Path) -> Mapping[str, Any]:
        files = [file for file in sorted(path.iterdir()) if file.suffix in _KINDS]
        return {file.name: _decode(file.name, file.read_bytes()) for file in files}

    def _write(self, path: Path, data: Any) -> None:
        raise NotImplementedError  # pragma: no cover - save() writes file by file

    def _listed(self, name: str) -> set[str]:
        """Numbered images in a list of earlier results; none if the list has another format."""
        try:
            files = {str(row["file"]) for row in _decode(LIST, (self.path / name).read_bytes())}
        except (OSError, ValueError, KeyError, TypeError):
            return set()
        return {file for file in files if file.endswith(".png") and file[:-4].isdigit()}


class ResultsArchiveDataset(PathDataset[Any]):
    """The same contents in one uncompressed tar file, for many images: to create files takes longer.

    Readers of WebDataset archives can read it. The same results give the same bytes, because members have no
    owner and no date.
    """

    def save(self, data: Results) -> None:
        if self.path.is_dir():
            raise LexipixError(f"{self.path} is a folder: choose a new file name for the archive.")
        super().save(data)

    def _write(self, path: Path, data: Results) -> None:
        with path.open("wb") as file:
            for name, content in data.items() if isinstance(data, Mapping) else data:
                encoded = _encode(name, content)
                member = tarfile.TarInfo(name)
                member.size = len(encoded)
                file.write(member.tobuf(tarfile.USTAR_FORMAT, "utf-8"))
                file.write(encoded + bytes(-len(encoded) % tarfile.BLOCKSIZE))
            file.write(bytes(2 * tarfile.BLOCKSIZE))

    def _read(self, path: Path) -> Mapping[str, Any]:
        with tarfile.open(path) as archive:
            files = ((member.name, archive.extractfile(member)) for member in archive)
            return {name: _decode(name, file.read()) for name, file in files if file is not None}


def _encode(name: str, content: Any) -> bytes:
    if name.endswith(".png"):
        return encode_png(content)
    if name.endswith(".jsonl"):
        return "".join(f"{_LINE.encode(row)}\n" for row in content).encode()
    return f"{json.dumps(plain(content), indent=2, ensure_ascii=False, allow_nan=False)}\n".encode()


def _decode(name: str, content: bytes) -> Any:
    if name.endswith(".png"):
        return decode_png(content)
    if name.endswith(".jsonl"):
        return [json.loads(line) for line in content.splitlines()]
    return json.loads(content)
