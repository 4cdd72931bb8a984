"""What the project's own datasets share: where they lie, who makes them, how they are written."""

from abc import abstractmethod
from pathlib import Path
from typing import Any, Generic, TypeVar

from kedro.io import AbstractDataset

from lexipix.utils.atomic import replace_file, replace_folder
from lexipix.utils.errors import LexipixError

T = TypeVar("T")


class PathDataset(AbstractDataset[T, T], Generic[T]):
    """A dataset at one path, written atomically.

    Args:
        filepath: Where it lies; Kedro makes it absolute.
        made_by: The command that makes it; told to the user when it is missing.
        metadata: For others to read; the MLflow hooks look at its ``mlflow`` key.
    """

    def __init__(
        self, *, filepath: str, made_by: str | None = None, metadata: dict[str, Any] | None = None
    ) -> None:
        self.path = Path(filepath)
        self.made_by = made_by
        self.metadata = metadata

    def load(self) -> T:
        if not self._exists():
            hint = f"run `{self.made_by}` first" if self.made_by else "run the stage that makes it first"
            raise LexipixError(f"There is nothing at {self.path} yet: {hint}.")
        return self._read(self.path)

    def save(self, data: T) -> None:
        with replace_file(self.path) as temporary:
            self._write(temporary, data)

    @abstractmethod
    def _read(self, path: Path) -> T:
        """Read what ``_write`` wrote."""

    @abstractmethod
    def _write(self, path: Path, data: T) -> None:
        """Write to a temporary path, which is renamed afterwards."""

    def _exists(self) -> bool:
        return self.path.is_file()

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self.path)}


class FolderDataset(PathDataset[T], Generic[T]):
    """A dataset that is a folder, replaced as a whole."""

    def save(self, data: T) -> None:
        with replace_folder(self.path) as temporary:
            self._write(temporary, data)

    def _exists(self) -> bool:
        return self.path.is_dir()
