"""Single files: JSON, text, arrays and images, written atomically."""

import base64
import json
import logging
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from kedro_datasets._typing import ImagePreview
from kedro_datasets.json import JSONDataset
from kedro_datasets.pillow import ImageDataset
from kedro_datasets.text import TextDataset as KedroTextDataset

from lexipix.datasets.base import AtomicFileMixin, PathDataset, damaged_error

if TYPE_CHECKING:
    import numpy as np

_log = logging.getLogger(__name__)

_UTF_8 = {
    f"open_args_{use}": {"mode": mode, "encoding": "utf-8"} for use, mode in (("load", "r"), ("save", "w"))
}


class JsonDataset(AtomicFileMixin, JSONDataset):  # type: ignore[misc]
    """JSON-able data as an indented UTF-8 file; NaN and infinity are written as null."""

    DEFAULT_SAVE_ARGS: ClassVar = {"indent": 2, "ensure_ascii": False, "allow_nan": False}
    DEFAULT_FS_ARGS: ClassVar = _UTF_8

    def save(self, data: Any) -> None:
        super().save(plain(data))


class TextDataset(AtomicFileMixin, KedroTextDataset):  # type: ignore[misc]
    """UTF-8 text, such as an HTML report."""

    DEFAULT_FS_ARGS: ClassVar = _UTF_8


class NumpyDataset(PathDataset["np.ndarray"]):
    """One array as ``.npy``; it is memory-mapped read-only when loaded."""

    def _read(self, path: Path) -> "np.ndarray":
        return read_array(path)

    def _write(self, path: Path, data: "np.ndarray") -> None:
        write_array(path, data)


class PngDataset(AtomicFileMixin, ImageDataset):  # type: ignore[misc]
    """An image, uint8 (H, W, 3), as PNG."""

    def load(self) -> "np.ndarray":
        import numpy as np

        return np.asarray(super().load().convert("RGB"))

    def save(self, data: "np.ndarray") -> None:
        import numpy as np
        from PIL import Image

        if data.dtype != np.uint8 or data.ndim != 3 or data.shape[2] != 3:
            raise TypeError(f"An image must be uint8 (H, W, 3), got {data.dtype} {data.shape}.")
        super().save(Image.fromarray(np.ascontiguousarray(data)))

    def preview(self) -> ImagePreview:
        """The image, for Kedro-Viz."""
        return ImagePreview(base64.b64encode(self.path.read_bytes()).decode("ascii"))


def read_array(path: Path) -> "np.ndarray":
    """An ``.npy`` file, memory-mapped read-only; pickled objects are refused."""
    import numpy as np

    try:
        return np.load(path, mmap_mode="r", allow_pickle=False)  # type: ignore[no-any-return]
    except (ValueError, EOFError) as error:
        raise damaged_error(path, error) from error


def write_array(path: Path, data: "np.ndarray") -> None:
    """Write an array as ``.npy``; arrays of objects are refused."""
    import numpy as np

    with path.open("wb") as file:
        np.save(file, data, allow_pickle=False)


def write_json(path: Path, data: Any, key: str = "") -> None:
    """Write JSON-able data as an indented UTF-8 file; NaN and infinity are written as null.

    Args:
        path: The file.
        data: JSON-able apart from what :func:`plain` converts.
        key: Name of the data in warnings.
    """
    text = json.dumps(plain(data, key), indent=2, ensure_ascii=False, allow_nan=False)
    path.write_text(text + "\n", encoding="utf-8")


def plain(data: Any, key: str = "") -> Any:
    """Data with NumPy values, tuples and paths converted for JSON, and NaN and infinity replaced by None."""
    if isinstance(data, dict):
        return {
            str(name): plain(value, f"{key}.{name}" if key else str(name)) for name, value in data.items()
        }
    if isinstance(data, list | tuple | set | frozenset):
        return [plain(value, f"{key}[{index}]") for index, value in enumerate(data)]
    if isinstance(data, Path):
        return str(data)
    if isinstance(data, float) and not math.isfinite(data):
        _log.warning("%s is %s and is written as null.", key or "A value", data)
        return None
    if hasattr(data, "tolist") and not isinstance(data, str | bytes):  # NumPy scalars and arrays
        return plain(data.tolist(), key)
    return data
