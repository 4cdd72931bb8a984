"""What files are, in 32 digits: as DVC counts them, and with everything left out that a clock decides."""

import csv
import hashlib
import io
import json
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

# Figures that no two runs have in common: how long something took, how much of the machine it had.
MEASURED = ("seconds", "_per_s", "_ms", "gflops", "peak_mb")


def dvc_digest(path: Path) -> str:
    """MD5 of a file, or of a folder's list of files, as ``dvc.lock`` has it: 32 digits, and ``.dir``.

    The library counts, so that a digest found here is found in DVC's cache as well.
    """
    from dvc_data.hashfile.build import build
    from dvc_objects.fs.local import localfs

    _, _, found = build(_no_store(), str(path.absolute()), localfs, "md5", dry_run=True)
    return str(found.hash_info.value)


def steady_digest(path: Path, measured: Sequence[str] = MEASURED) -> str:
    """MD5 of what two runs of the same code on the same machine have in common.

    Args:
        path: A file or a folder. In its JSON and CSV files measured figures are left out; other files count
            as they are.
        measured: How the names of measured figures end.
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
            content = json.dumps(_steady(json.loads(content), measured), sort_keys=True).encode()
        elif file.suffix == ".csv":
            content = _steady_table(content.decode(), measured)
        yield ("" if file == path else file.relative_to(path).as_posix()), content


def _steady(data: Any, measured: tuple[str, ...]) -> Any:
    if isinstance(data, dict):
        return {key: _steady(value, measured) for key, value in data.items() if not key.endswith(measured)}
    return [_steady(item, measured) for item in data] if isinstance(data, list) else data


def _steady_table(text: str, measured: tuple[str, ...]) -> bytes:
    rows = list(csv.reader(io.StringIO(text)))
    kept = [place for place, name in enumerate(rows[0] if rows else []) if not name.endswith(measured)]
    return json.dumps([[row[place] for place in kept] for row in rows]).encode()


@cache
def _no_store() -> Any:
    """Where DVC would look a file up that it knows; nothing is read from there or written."""
    from dvc_data.hashfile.db import HashFileDB
    from dvc_objects.fs.local import localfs

    return HashFileDB(localfs, "no-store")
