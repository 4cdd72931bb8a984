"""Base classes of the project's datasets: atomic writing, and errors that name the command to run."""

from abc import abstractmethod
from pathlib import Path, PurePosixPath
from typing import Any, Generic, NoReturn, TypeVar

from kedro.io import AbstractDataset, DatasetError

from lexipix.utils.atomic import replace_file, replace_folder
from lexipix.utils.errors import LexipixError
from lexipix.utils.permissions import not_readable
from lexipix.utils.project_paths import exists

T = TypeVar("T")


class PathDataset(AbstractDataset[T, T], Generic[T]):
    """A file that is written atomically.

    Errors name the command ``made_by`` that makes the file. ``metadata`` is for the hooks.
    """

    kind = "file"  # in error messages
    required: tuple[str, ...] = ()  # files of a folder, by name or pattern

    def __init__(
        self, *, filepath: str, made_by: str | None = None, metadata: dict[str, Any] | None = None
    ) -> None:
        self.path = Path(filepath)
        self.made_by = made_by
        self.metadata = metadata

    def load(self) -> T:
        what = f"{self.kind} {self.path.name}"
        command = f"run `{self.made_by}`" if self.made_by else "run the stage that makes it"
        if not exists(self.path):
            self._require_readable(what)
            raise LexipixError(f"There is no {what} at {self.path}: {command} first.")
        if missing := self._missing():
            self._require_readable(what)
            raise LexipixError(
                f"The {what} at {self.path} is incomplete, {', '.join(missing)} missing: {command} again."
            )
        try:
            return self._read(self.path)
        except (LexipixError, ValueError, EOFError, OSError, SyntaxError) as error:  # SyntaxError: Pillow
            self._require_readable(what, error)
            raise LexipixError(
                f"The {what} at {self.path} is damaged ({error}): delete it and {command} again."
            ) from error

    def save(self, data: T) -> None:
        with replace_file(self.path) as temporary:
            self._write(temporary, data)

    @abstractmethod
    def _read(self, path: Path) -> T:
        """Data that ``_write`` has written."""

    @abstractmethod
    def _write(self, path: Path, data: T) -> None:
        """Write to a temporary path, which is renamed afterwards."""

    def _require_readable(self, what: str, error: BaseException | None = None) -> None:
        if reason := not_readable(self.path, error):
            raise LexipixError(f"The {what} cannot be read: {reason}.") from error

    def _missing(self) -> list[str]:
        """Names of required files that do not exist."""
        return [name for name in self.required if not any(self.path.glob(name))]

    def _exists(self) -> bool:
        return self.path.exists() and not self._missing()

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self.path)}


class KedroFileMixin(PathDataset[Any]):
    """Makes the file dataset of kedro-datasets that follows it among the bases a :class:`PathDataset`."""

    def __init__(
        self, *, filepath: str, made_by: str | None = None, metadata: dict[str, Any] | None = None
    ) -> None:
        super().__init__(filepath=filepath, made_by=made_by, metadata=metadata)
        super(PathDataset, self).__init__(filepath=filepath, metadata=metadata)  # type: ignore[call-arg]

    def _read(self, path: Path) -> Any:
        return super(PathDataset, self).load.__wrapped__(self)  # type: ignore[attr-defined, safe-super]

    def _write(self, path: Path, data: Any) -> None:
        target = self._copy(_filepath=PurePosixPath(path))
        super(PathDataset, self).save.__wrapped__(target, data)  # type: ignore[attr-defined, safe-super]


class FolderDataset(PathDataset[T], Generic[T]):
    """A folder that is replaced as a whole."""

    kind = "folder"

    def save(self, data: T) -> None:
        with replace_folder(self.path) as temporary:
            self._write(temporary, data)


class ServiceDataset(AbstractDataset[NoReturn, T], Generic[T]):
    """Loads as an object that nodes use; nodes cannot save to it."""

    def save(self, data: NoReturn) -> NoReturn:
        raise DatasetError(f"{type(self).__name__} cannot be the output of a node.")

    def _exists(self) -> bool:
        return True

    def _describe(self) -> dict[str, Any]:
        return {name: str(value) for name, value in vars(self).items() if name in ("path", "name")}
