"""The catalog entry ``sources``: opens the image source that the parameters name."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

from lexipix.config.ingestion import IngestionParameters
from lexipix.datasets.base import ServiceDataset
from lexipix.utils.errors import LexipixError
from lexipix.utils.types import OpenedSource


class SourcesDataset(ServiceDataset[Callable[[IngestionParameters, int], OpenedSource]]):
    """Loads as the function :func:`open_source` with ``path`` as its root."""

    def __init__(self, *, path: str = ".") -> None:
        self.path = Path(path)

    def load(self) -> Callable[[IngestionParameters, int], OpenedSource]:
        return partial(open_source, self.path)


def open_source(root: Path, parameters: IngestionParameters, seed: int) -> OpenedSource:
    """The source, checked to be readable; its images are read later, one by one.

    A relative ``ingestion.source.path`` starts from ``root``; where there is nothing, it may name a data set
    of the Hugging Face Hub. Only the scenes are random and need the seed.
    """
    source = parameters.source
    if source.kind == "scenes":
        from lexipix.datasets.sources.scenes import open_scenes

        return open_scenes(source.scenes, parameters.size, seed)
    if source.path is None:
        raise LexipixError(
            f"ingestion.source.path is not set, but the source {source.kind!r} needs it: add "
            "--params=ingestion.source.path=PATH to the command."
        )
    path = root / Path(source.path).expanduser()
    if source.kind == "cifar10":
        from lexipix.datasets.sources.cifar10 import open_cifar10

        return open_cifar10(path, parameters)
    from lexipix.datasets.sources.folder import open_folder
    from lexipix.datasets.sources.hub import download, is_repository

    if not is_repository(source.path, root):
        return open_folder(path, parameters)
    folder = download(source.path)
    opened = open_folder(folder, parameters)
    facts = {"repository": source.path, "revision": folder.name}
    return replace(opened, facts={**opened.facts, **facts})
