"""Single files: JSON, tables, text, arrays, pictures. Each is written whole or not at all."""

import base64
import json
import logging
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kedro_datasets._typing import ImagePreview, JSONPreview, TablePreview

from lexipix.datasets.base import PathDataset
from lexipix.utils.errors import LexipixError

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

_log = logging.getLogger(__name__)


class JsonDataset(PathDataset[Any]):
    """JSON-able data as an indented UTF-8 file; a figure that is not finite is written as null."""

    def _read(self, path: Path) -> Any:
        try:
            return json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise LexipixError(f"{path} is not valid JSON ({error}): remove it and make it again.") from error

    def _write(self, path: Path, data: Any) -> None:
        text = json.dumps(plain(data), indent=2, ensure_ascii=False, allow_nan=False)
        path.write_text(text + "\n", encoding="utf-8")

    def preview(self) -> JSONPreview:
        """Show the file in Kedro-Viz."""
        return JSONPreview(self.path.read_text(encoding="utf-8"))


class TextDataset(PathDataset[str]):
    """UTF-8 text, such as an HTML report."""

    def _read(self, path: Path) -> str:
        return path.read_text(encoding="utf-8")

    def _write(self, path: Path, data: str) -> None:
        path.write_text(data, encoding="utf-8")


class CsvDataset(PathDataset["pd.DataFrame"]):
    """A table as CSV without an index column."""

    def _read(self, path: Path) -> "pd.DataFrame":
        import pandas as pd

        try:
            return pd.read_csv(path)
        except (ValueError, UnicodeDecodeError) as error:
            raise LexipixError(
                f"{path} is not a CSV table ({error}): remove it and make it again."
            ) from error

    def _write(self, path: Path, data: "pd.DataFrame") -> None:
        data.to_csv(path, index=False)

    def preview(self, nrows: int = 20) -> TablePreview:
        """Show the first rows in Kedro-Viz."""
        return table_preview(self.load().head(nrows))


class ParquetDataset(PathDataset["pd.DataFrame"]):
    """A table as Parquet."""

    def _read(self, path: Path) -> "pd.DataFrame":
        import pandas as pd

        try:
            return pd.read_parquet(path)
        except (ValueError, OSError) as error:
            raise LexipixError(f"{path} is damaged ({error}): remove it and make it again.") from error

    def _write(self, path: Path, data: "pd.DataFrame") -> None:
        data.to_parquet(path, index=False)

    def preview(self, nrows: int = 20) -> TablePreview:
        """Show the first rows in Kedro-Viz."""
        return table_preview(self.load().head(nrows))


class NumpyDataset(PathDataset["np.ndarray"]):
    """One array as ``.npy``, memory-mapped read-only when loaded."""

    def _read(self, path: Path) -> "np.ndarray":
        return read_array(path)

    def _write(self, path: Path, data: "np.ndarray") -> None:
        write_array(path, data)


class PngDataset(PathDataset["np.ndarray"]):
    """A picture, uint8 (H, W, 3), as PNG."""

    def _read(self, path: Path) -> "np.ndarray":
        import numpy as np
        from PIL import Image

        try:
            with Image.open(path) as image:
                return np.asarray(image.convert("RGB"))
        except (OSError, SyntaxError) as error:  # of a broken chunk Pillow says the latter
            raise LexipixError(f"{path} is damaged ({error}): remove it and make it again.") from error

    def _write(self, path: Path, data: "np.ndarray") -> None:
        import numpy as np
        from PIL import Image

        if data.dtype != np.uint8 or data.ndim != 3 or data.shape[2] != 3:
            raise TypeError(f"a picture is uint8 (H, W, 3), got {data.dtype} {data.shape}")
        Image.fromarray(np.ascontiguousarray(data)).save(path, format="PNG")

    def preview(self) -> ImagePreview:
        """Show the picture in Kedro-Viz."""
        return ImagePreview(base64.b64encode(self.path.read_bytes()).decode("ascii"))


def read_array(path: Path) -> "np.ndarray":
    """Memory-map an ``.npy`` file read-only; pickled objects are refused."""
    import numpy as np

    try:
        return np.load(path, mmap_mode="r", allow_pickle=False)  # type: ignore[no-any-return]
    except (ValueError, EOFError) as error:
        raise LexipixError(f"{path} is damaged ({error}): remove it and make it again.") from error


def write_array(path: Path, data: "np.ndarray") -> None:
    """Write an array as ``.npy``; arrays of objects are refused."""
    import numpy as np

    with path.open("wb") as file:
        np.save(file, data, allow_pickle=False)


def plain(data: Any, key: str = "") -> Any:
    """Turn numpy scalars and arrays, tuples and paths into what JSON knows; non-finite numbers into null."""
    if isinstance(data, dict):
        return {
            str(name): plain(value, f"{key}.{name}" if key else str(name)) for name, value in data.items()
        }
    if isinstance(data, list | tuple | set | frozenset):
        return [plain(value, f"{key}[{index}]") for index, value in enumerate(data)]
    if isinstance(data, Path):
        return str(data)
    if isinstance(data, float) and not math.isfinite(data):
        _log.warning("%s is %s, which is no figure: written as null.", key or "A value", data)
        return None
    if hasattr(data, "tolist") and not isinstance(data, str | bytes):  # numpy scalars and arrays
        return plain(data.tolist(), key)
    return data


def table_preview(table: "pd.DataFrame") -> TablePreview:
    """Make of a table what Kedro-Viz shows."""
    return TablePreview(json.loads(table.to_json(orient="split", default_handler=str)))
