"""A table with pictures in its cells, as one Parquet file."""

import io
from pathlib import Path
from typing import TYPE_CHECKING

from kedro_datasets._typing import TablePreview

from lexipix.datasets.base import PathDataset
from lexipix.datasets.files import table_preview
from lexipix.utils.errors import LexipixError
from lexipix.utils.png import SIGNATURE, encode_png

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd


class PictureTableDataset(PathDataset["pd.DataFrame"]):
    """A table of which some columns hold pictures, uint8 (H, W, 3); in the file they are PNG."""

    def _read(self, path: Path) -> "pd.DataFrame":
        import pandas as pd

        try:
            table = pd.read_parquet(path)
            for name in _columns(table, bytes):
                table[name] = pd.Series([_decode(cell) for cell in table[name]], dtype=object)
        except (ValueError, OSError) as error:
            raise LexipixError(f"{path} is damaged ({error}): remove it and make it again.") from error
        return table

    def _write(self, path: Path, data: "pd.DataFrame") -> None:
        pictures = {name: [encode_png(cell) for cell in data[name]] for name in picture_columns(data)}
        data.assign(**pictures).to_parquet(path, index=False)

    def preview(self, nrows: int = 20) -> TablePreview:
        """Show the words and figures of the first rows in Kedro-Viz, whose tables know no pictures."""
        table = self.load().head(nrows)
        return table_preview(table.drop(columns=picture_columns(table)))


def picture_columns(table: "pd.DataFrame") -> list[str]:
    """Name the columns whose cells are arrays."""
    import numpy as np

    return _columns(table, np.ndarray)


def _columns(table: "pd.DataFrame", kind: type) -> list[str]:
    return [str(name) for name in table if len(table) and isinstance(table[name].iloc[0], kind)]


def _decode(content: bytes) -> "np.ndarray":
    import numpy as np
    from PIL import Image

    if not content.startswith(SIGNATURE):
        raise ValueError("a cell is no PNG")
    with Image.open(io.BytesIO(content)) as image:
        return np.asarray(image.convert("RGB"))
