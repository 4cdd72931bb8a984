"""Digests of files and folders: DVC's own, and one that ignores measured times and rates."""

import csv
import hashlib
import io
import json
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

# How the names of measured values end, which differ from run to run: times, rates, memory
MEASURED = ("seconds", "_per_s", "_ms", "gflops", "peak_mb")


def dvc_digest(path: Path) -> str:
    """MD5 of a file, or of a folder's list of files with the suffix ``.dir``, as in ``dvc.lock``.

    DVC's library computes it, so that the digest is also the file's name in DVC's cache.
    """
    from dvc_data.hashfile.build import build
    from dvc_objects.fs.local import localfs

    _, _, found = build(_no_store(), str(path.absolute()), localfs, "md5", dry_run=True)
    return str(found.hash_info.value)


def comparable_digest(path: Path, measured: Sequence[str] = MEASURED) -> str:
    """MD5 of the content that two runs of the same code on the same machine share.

    Args:
        path: A file or a folder. Measured values in JSON and CSV files are left out.
        measured: How the names of measured values end.
    """
    digest = hashlib.md5(usedforsecurity=False)
    for name, content in _contents(path, tuple(measured)):
        digest.update(f"{name}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()


def _contents(path: Path, measured: tuple[str, ...]) -> Iterator[tuple[str, bytes]]:
    files = [path] if path.is_file() else sorted(one for one in path.rglob("*") if one.is_file())
    for file in files:
        content = file.read_bytes()
        if file.suffix == ".json":
            content = json.dumps(_comparable(json.loads(content), measured), sort_keys=True).encode()
        elif file.suffix == ".csv":
            content = _comparable_table(content.decode(), measured)
        yield ("" if file == path else file.relative_to(path).as_posix()), content


def _comparable(data: Any, measured: tuple[str, ...]) -> Any:
    if isinstance(data, dict):
        return {
            key: _comparable(value, measured) for key, value in data.items() if not key.endswith(measured)
        }
    return [_comparable(item, measured) for item in data] if isinstance(data, list) else data


def _comparable_table(text: str, measured: tuple[str, ...]) -> bytes:
    rows = list(csv.reader(io.StringIO(text)))
    kept = [place for place, name in enumerate(rows[0] if rows else []) if not name.endswith(measured)]
    return json.dumps([[row[place] for place in kept] for row in rows]).encode()


@cache
def _no_store() -> Any:
    """The store that DVC's function asks for; nothing is read from it or written to it."""
    from dvc_data.hashfile.db import HashFileDB
    from dvc_objects.fs.local import localfs

    return HashFileDB(localfs, "no-store")
