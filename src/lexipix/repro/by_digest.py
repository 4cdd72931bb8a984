"""Files and folders by their DVC digest: at their own path, else in DVC's cache."""

import json
import shutil
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from lexipix.repro.digests import dvc_digest
from lexipix.utils.errors import LexipixError


def find(project: Path, path: str, digest: str) -> Path | None:
    """The path of a file or folder with this digest.

    Args:
        project: The project.
        path: Its own path, relative to the project.
        digest: DVC's digest; a folder's ends in ``.dir``.

    Returns:
        Its own path, or its file in DVC's cache (for a folder, the list of its files); None if neither exists
        or a file of the folder is missing.
    """
    place = project / path
    if place.exists() and dvc_digest(place) == digest:
        return place
    cached = _cached(project, digest)
    if cached is None or not cached.is_file():
        return None
    return cached if all(part.is_file() for _, part in _parts(project, cached)) else None


def copy_by_digest(project: Path, path: str, digest: str, target: Path) -> None:
    """Copy a file or folder with this digest to ``target``.

    Raises:
        LexipixError: It is neither at its own path nor in DVC's cache.
    """
    source = find(project, path, digest)
    if source is None:
        raise LexipixError(f"{path} with the digest {digest} is neither in the project nor in DVC's cache.")
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target)
    elif source == _cached(project, digest) and digest.endswith(".dir"):
        for name, part in _parts(project, source):
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(part, target / name)
    else:
        shutil.copyfile(source, target)


def _parts(project: Path, cached: Path) -> Iterator[tuple[str, Path]]:
    """The files of a cached folder: path in the folder, path in the cache. A file has none."""
    if cached.suffix == ".dir":
        for part in json.loads(cached.read_text(encoding="utf-8")):
            place = _cached(project, part["md5"])
            assert place is not None
            yield part["relpath"], place


def _cached(project: Path, digest: str) -> Path | None:
    """The path of a digest in DVC's cache, which may not exist; None without DVC."""
    folder = _cache_folder(project)
    return None if folder is None else folder / digest[:2] / digest[2:]


@cache
def _cache_folder(project: Path) -> Path | None:
    if not (project / ".dvc").is_dir():
        return None
    from dvc.repo import Repo

    with Repo(str(project)) as repository:
        return Path(repository.cache.local.path)
