"""Finding files and folders by digest: where they were, else in DVC's cache."""

import json
import shutil
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from lexipix.repro.digests import dvc_digest
from lexipix.utils.errors import LexipixError


def find(project: Path, path: str, digest: str) -> Path | None:
    """Where something with this digest lies.

    Args:
        project: The project.
        path: Where it lay, relative to the project.
        digest: As DVC counts it; a folder's ends in ``.dir``.

    Returns:
        That path, or DVC's file in the cache (of a folder the list of its files); None if nothing is whole.
    """
    place = project / path
    if place.exists() and dvc_digest(place) == digest:
        return place
    cached = _cached(project, digest)
    if cached is None or not cached.is_file():
        return None
    return cached if all(part.is_file() for _, part in _parts(project, cached)) else None


def bring(project: Path, path: str, digest: str, target: Path) -> None:
    """Copy what has this digest.

    Raises:
        LexipixError: It is neither where it was nor in the cache.
    """
    source = find(project, path, digest)
    if source is None:
        raise LexipixError(f"{path} ({digest}) is neither there nor in DVC's cache.")
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
    """Files of a folder in the cache, by their paths in it; nothing for a file."""
    if cached.suffix == ".dir":
        for part in json.loads(cached.read_text(encoding="utf-8")):
            place = _cached(project, part["md5"])
            assert place is not None
            yield part["relpath"], place


def _cached(project: Path, digest: str) -> Path | None:
    """Where DVC's cache has this digest, if it has it; None without DVC."""
    folder = _cache_folder(project)
    return None if folder is None else folder / digest[:2] / digest[2:]


@cache
def _cache_folder(project: Path) -> Path | None:
    if not (project / ".dvc").is_dir():
        return None
    from dvc.repo import Repo

    with Repo(str(project)) as repository:
        return Path(repository.cache.local.path)
