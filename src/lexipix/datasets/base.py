"""Base classes of the project's datasets: atomic writing, and errors that name the command to run."""

from abc import abstractmethod
from pathlib import Path, PurePosixPath
from typing import Any, Generic, NoReturn, TypeVar

from kedro.io import AbstractDataset, DatasetError

from lexipix.utils.atomic import replace_file, replace_folder
from lexipix.utils.errors import LexipixError

T = TypeVar("T")


class AtomicFileMixin:
    """Makes a file dataset of kedro-datasets write atomically and report missing and damaged files.

    It stands before the class of kedro-datasets among the base classes.

    Args:
        filepath: The file; Kedro makes it absolute.
        made_by: The command that makes the file, for error messages.
        metadata: For plugins; the MLflow hooks read its ``mlflow`` key.
    """

    def __init__(
        self, *, filepath: str, made_by: str | None = None, metadata: dict[str, Any] | None = None
    ) -> None:
        super().__init__(filepath=filepath, metadata=metadata)  # type: ignore[call-arg]
        self.path = Path(filepath)
        self.made_by = made_by

    def load(self) -> Any:
        if not self.path.is_file():
            raise missing_error(self.path, self.made_by)
        try:
            return super().load.__wrapped__(self)  # type: ignore[misc]
        except (ValueError, OSError, SyntaxError) as error:  # SyntaxError: Pillow, for a broken chunk
            raise damaged_error(self.path, error) from error

    def save(self, data: Any) -> None:
        with replace_file(self.path) as temporary:
            target = self._copy(_filepath=PurePosixPath(temporary))  # type: ignore[attr-defined]
            super().save.__wrapped__(target, data)  # type: ignore[misc]


class PathDataset(AbstractDataset[T, T], Generic[T]):
    """A file that is written atomically.

    Args:
        filepath: See :class:`AtomicFileMixin`; likewise ``made_by`` and ``metadata``.
    """

    def __init__(
        self, *, filepath: str, made_by: str | None = None, metadata: dict[str, Any] | None = None
    ) -> None:
        self.path = Path(filepath)
        self.made_by = made_by
        self.metadata = metadata

    def load(self) -> T:
        if not self._exists():
            raise missing_error(self.path, self.made_by)
        return self._read(self.path)

    def save(self, data: T) -> None:
        with replace_file(self.path) as temporary:
            self._write(temporary, data)

    @abstractmethod
    def _read(self, path: Path) -> T:
        """Data that ``_write`` has written."""

    @abstractmethod
    def _write(self, path: Path, data: T) -> None:
        """Write to a temporary path, which is renamed afterwards."""

    def _exists(self) -> bool:
        return self.path.is_file()

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self.path)}


class FolderDataset(PathDataset[T], Generic[T]):
    """A folder that is replaced as a whole."""

    def save(self, data: T) -> None:
        with replace_folder(self.path) as temporary:
            self._write(temporary, data)

    def _exists(self) -> bool:
        return self.path.is_dir()


class ServiceDataset(AbstractDataset[NoReturn, T], Generic[T]):
    """Loads as an object that nodes use; nodes cannot save to it.

    Args:
        metadata: For plugins.
    """

    def __init__(self, *, metadata: dict[str, Any] | None = None) -> None:
        self.metadata = metadata

    def save(self, data: NoReturn) -> NoReturn:
        raise DatasetError(f"{type(self).__name__} cannot be the output of a node.")

    def _exists(self) -> bool:
        return True

    def _describe(self) -> dict[str, Any]:
        return {name: str(value) for name, value in vars(self).items() if name in ("path", "name")}


def missing_error(path: Path, made_by: str | None) -> LexipixError:
    """The error for a file or folder that does not exist."""
    hint = f"run `{made_by}` first" if made_by else "run the stage that makes it first"
    return LexipixError(f"{path} does not exist: {hint}.")


def damaged_error(path: Path, error: Exception) -> LexipixError:
    """The error for a file that cannot be read."""
    return LexipixError(f"{path} is damaged ({error}): delete it and run the command that makes it again.")
