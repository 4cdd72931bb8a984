"""Single files: JSON, text, arrays and images, written atomically."""

import json
import logging
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from kedro_datasets.json import JSONDataset
from kedro_datasets.pillow import ImageDataset
from kedro_datasets.text import TextDataset as KedroTextDataset

from lexipix.datasets.base import KedroFileMixin, PathDataset
from lexipix.datasets.previews import ImagePreview, preview_images, preview_png

if TYPE_CHECKING:
    import numpy as np

_log = logging.getLogger(__name__)

_UTF_8 = {
    f"open_args_{use}": {"mode": mode, "encoding": "utf-8"} for use, mode in (("load", "r"), ("save", "w"))
}


class JsonDataset(KedroFileMixin, JSONDataset):  # type: ignore[misc]
    """JSON-able data as an indented UTF-8 file; NaN and infinity are written as null."""

    DEFAULT_SAVE_ARGS: ClassVar = {"indent": 2, "ensure_ascii": False, "allow_nan": False}
    DEFAULT_FS_ARGS: ClassVar = _UTF_8

    def _write(self, path: Path, data: Any) -> None:
        super()._write(path, plain(data))


class TextDataset(KedroFileMixin, KedroTextDataset):  # type: ignore[misc]
    """UTF-8 text, such as an HTML report."""

    DEFAULT_FS_ARGS: ClassVar = _UTF_8


class ImageArrayDataset(PathDataset["np.ndarray"]):
    """Images, uint8 (N, H, W, 3), as ``.npy``; the array is memory-mapped read-only when loaded."""

    def _read(self, path: Path) -> "np.ndarray":
        return read_array(path)

    def _write(self, path: Path, data: "np.ndarray") -> None:
        import numpy as np

        np.save(path, data, allow_pickle=False)

    def preview(self) -> ImagePreview:
        """The first images, for Kedro-Viz."""
        return preview_images(self.load())


class PngDataset(KedroFileMixin, ImageDataset):  # type: ignore[misc]
    """An image, uint8 (H, W, 3), as PNG."""

    def _read(self, path: Path) -> "np.ndarray":
        import numpy as np

        return np.asarray(super()._read(path).convert("RGB"))

    def _write(self, path: Path, data: "np.ndarray") -> None:
        import numpy as np
        from PIL import Image

        if data.dtype != np.uint8 or data.ndim != 3 or data.shape[2] != 3:
            raise TypeError(f"An image must be uint8 (H, W, 3), got {data.dtype} {data.shape}.")
        super()._write(path, Image.fromarray(np.ascontiguousarray(data)))

    def preview(self) -> ImagePreview:
        """The image, for Kedro-Viz."""
        return preview_png(self.path.read_bytes())


def read_array(path: Path) -> "np.ndarray":
    """An ``.npy`` file, memory-mapped read-only; pickled objects are refused."""
    import numpy as np

    return np.load(path, mmap_mode="r", allow_pickle=False)  # type: ignore[no-any-return]


def write_json(path: Path, data: Any, key: str = "") -> None:
    """Write what :func:`plain` makes of data as an indented UTF-8 file; ``key`` names it in warnings."""
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
