"""A table with images in its cells, as one Parquet file."""

from pathlib import Path
from typing import TYPE_CHECKING

from lexipix.datasets.base import PathDataset
from lexipix.datasets.previews import TablePreview, preview_table
from lexipix.utils.png import decode_png, encode_png

if TYPE_CHECKING:
    import pandas as pd


class ImageTableDataset(PathDataset["pd.DataFrame"]):
    """A table in which some columns hold images, uint8 (H, W, C); the file stores them as PNG."""

    def _read(self, path: Path) -> "pd.DataFrame":
        import pandas as pd

        table = pd.read_parquet(path)
        for name in _columns(table, bytes):
            table[name] = pd.Series([decode_png(cell) for cell in table[name]], dtype=object)
        return table

    def _write(self, path: Path, data: "pd.DataFrame") -> None:
        images = {name: [encode_png(cell) for cell in data[name]] for name in image_columns(data)}
        data.assign(**images).to_parquet(path, index=False)

    def preview(self, nrows: int = 20) -> TablePreview:
        """The first rows without the images, for Kedro-Viz, whose tables cannot show images."""
        table = self.load().head(nrows)
        return preview_table(table.drop(columns=image_columns(table)))


def image_columns(table: "pd.DataFrame") -> list[str]:
    """Names of the columns whose cells are arrays."""
    import numpy as np

    return _columns(table, np.ndarray)


def _columns(table: "pd.DataFrame", kind: type) -> list[str]:
    return [str(name) for name in table if len(table) and isinstance(table[name].iloc[0], kind)]
