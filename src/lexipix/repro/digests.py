"""Digests of files and folders, DVC's own and one without measured times and rates, and content by digest."""

import csv
import errno
import functools
import hashlib
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

# How the names of measured values end, which differ from run to run: times, rates, memory
MEASURED = ("seconds", "_per_s", "_ms", "gflops", "peak_mb")


def dvc_digest(path: Path) -> str:
    """MD5 of a file, or of a folder's list of files (with ``.dir``): by DVC's library, as in its cache."""
    from dvc_data.hashfile.build import build
    from dvc_data.hashfile.db import HashFileDB
    from dvc_objects.fs.local import localfs

    unused = HashFileDB(localfs, "no-store")
    _, _, found = build(unused, str(path.absolute()), localfs, "md5", dry_run=True)
    return str(found.hash_info.value)


def named_digest(path: Path) -> str:
    """The digest of a file or folder that a parameter names, by what the ingestion reads of a folder.

    That is DVC's digest of a folder with these files alone: without hidden ones and those of other programs,
    and with links followed. A file that may not be read counts by its name.

    Raises:
        OSError: It is neither a file nor a folder.
        LexipixError: The folder cannot be read.
    """
    if path.is_file():
        return dvc_digest(path)
    if not path.is_dir():
        raise OSError(errno.EINVAL, "it is neither a file nor a folder", str(path))
    from dvc_data.hashfile.hash_info import HashInfo
    from dvc_data.hashfile.tree import Tree

    from lexipix.datasets.sources.folder_layout import read_layout

    tree = Tree()
    for name in read_layout(path).files():
        try:
            with (path / name).open("rb") as file:
                digest = hashlib.file_digest(file, _md5).hexdigest()
        except PermissionError:
            digest = ""
        tree.add(tuple(name.split("/")), None, HashInfo("md5", digest))
    tree.digest()
    return str(tree.oid)


def _md5() -> "hashlib._Hash":
    return hashlib.md5(usedforsecurity=False)


def tracked_path(project: Path, entry: Mapping[str, Any]) -> Path:
    """The file or folder of a dataset, by its catalog entry, that DVC and digests take.

    Of a folder with more than ``manifest_above_gb`` (10^9 bytes) it is the file ``manifest`` alone, which
    lists the other files and their digests; both are keys of the entry's metadata. A relative path is
    relative to the project.
    """
    path, metadata = Path(str(entry["filepath"])), entry.get("metadata") or {}
    manifest = path / metadata.get("manifest", "")
    if manifest == path or not (project / manifest).is_file():
        return path
    n_bytes = sum(file.stat().st_size for file in _files(project / path))
    return manifest if n_bytes > 1e9 * metadata["manifest_above_gb"] else path


def comparable_digest(path: Path, measured: Sequence[str] = MEASURED) -> str:
    """MD5 of the content that two runs of the same code share: no measured values in JSON and CSV."""
    digest = _md5()
    for file in _files(path):
        name = "" if file == path else file.relative_to(path).as_posix()
        content = _without_measured(file, tuple(measured))
        digest.update(f"{name}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()


def find(project: Path, path: str, digest: str) -> list[tuple[Path, Path]] | None:
    """For each file of the content with this digest: its path in the project, and where its content is.

    That is at its own path, else in DVC's cache; the result is None if a file is missing.
    """
    place = project / path
    if place.exists() and dvc_digest(place) == digest:
        return [(file.relative_to(project), file) for file in _files(place)]
    cache = _dvc_cache(project)
    if cache is None or not cache.exists(digest):
        return None
    parts = [(path, digest)]
    if digest.endswith(".dir"):
        listed = json.loads(Path(cache.oid_to_path(digest)).read_text(encoding="utf-8"))
        parts = [(f"{path}/{part['relpath']}", part["md5"]) for part in listed]
    found = [(Path(name), Path(cache.oid_to_path(md5))) for name, md5 in parts]
    return found if all(source.is_file() for _, source in found) else None


def _files(path: Path) -> list[Path]:
    return [path] if path.is_file() else sorted(one for one in path.rglob("*") if one.is_file())


def _without_measured(file: Path, measured: tuple[str, ...]) -> bytes:
    content = file.read_bytes()
    if file.suffix == ".json":
        return json.dumps(_comparable(json.loads(content), measured), sort_keys=True).encode()
    if file.suffix == ".csv":
        rows = list(csv.reader(io.StringIO(content.decode())))
        kept = [place for place, name in enumerate(rows[0] if rows else []) if not name.endswith(measured)]
        return json.dumps([[row[place] for place in kept] for row in rows]).encode()
    return content


def _comparable(data: Any, measured: tuple[str, ...]) -> Any:
    if isinstance(data, dict):
        return {
            key: _comparable(value, measured) for key, value in data.items() if not key.endswith(measured)
        }
    return [_comparable(item, measured) for item in data] if isinstance(data, list) else data


@functools.cache
def _dvc_cache(project: Path) -> Any | None:
    if not (project / ".dvc").is_dir():
        return None
    from dvc.repo import Repo

    with Repo(str(project)) as repository:
        return repository.cache.local
