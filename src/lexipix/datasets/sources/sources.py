"""The catalog entry ``sources``: it gives the object that opens the source the parameters name."""

from pathlib import Path
from typing import Any, NoReturn

from kedro.io import AbstractDataset, DatasetError

from lexipix.config.ingestion import IngestionParameters
from lexipix.utils.errors import LexipixError
from lexipix.utils.types import OpenedSource


class Sources:
    """Opens the source that the parameters name.

    Args:
        root: Where a relative ``ingestion.source.path`` starts.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def open(self, parameters: IngestionParameters, seed: int) -> OpenedSource:
        """Find the source and check that it can be read; pictures are read later, one by one.

        Args:
            parameters: The ingestion's parameters.
            seed: Of the scenes' random numbers; the other sources have none.

        Raises:
            LexipixError: The path is missing or names something that this source cannot read.
        """
        source = parameters.source
        if source.kind == "scenes":
            from lexipix.datasets.sources.scenes import open_scenes

            return open_scenes(source.scenes, parameters.image_size, seed)
        if source.path is None:
            raise LexipixError(
                f"ingestion.source.path is not set, and the source {source.kind!r} needs one: add "
                "--params=ingestion.source.path=PATH to the command."
            )
        path = self.root / Path(source.path).expanduser()
        if source.kind == "cifar10":
            from lexipix.datasets.sources.cifar10 import open_cifar10

            return open_cifar10(path, parameters)
        from lexipix.datasets.sources.folder import open_folder

        return open_folder(path, parameters)


class SourcesDataset(AbstractDataset[NoReturn, Sources]):
    """Gives the object that opens sources; there is nothing to save.

    Args:
        path: Where a relative ``ingestion.source.path`` starts; Kedro makes it absolute.
        metadata: For others to read.
    """

    def __init__(self, *, path: str = ".", metadata: dict[str, Any] | None = None) -> None:
        self.root = Path(path)
        self.metadata = metadata

    def load(self) -> Sources:
        return Sources(self.root)

    def save(self, data: NoReturn) -> NoReturn:
        raise DatasetError("Sources are read, never written.")

    def _describe(self) -> dict[str, Any]:
        return {"path": str(self.root)}
