"""Tables with thumbnails in an MLflow run."""

import re
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from lexipix.datasets.image_table import image_columns
from lexipix.utils.png import encode_png

if TYPE_CHECKING:
    import pandas as pd


def log_table(table: "pd.DataFrame", file: str) -> None:
    """Log a table to the active run as ``file``; cells with images, uint8 (H, W, 3), become thumbnails.

    ``mlflow.log_table`` would store each image as two files, with a call for each; here one call logs all.
    """
    import mlflow

    cells: dict[str, Any] = {}
    with TemporaryDirectory() as temporary:
        folder = PurePosixPath("table_images") / PurePosixPath(file).with_suffix("")
        for column in image_columns(table):
            cells[column] = []
            for number, image in enumerate(table[column]):
                name = f"{number:03d}_{re.sub(r'[^a-zA-Z0-9]+', '_', column)}.png"
                Path(temporary, name).write_bytes(encode_png(image))
                place = str(folder / name)
                cells[column].append({"type": "image", "filepath": place, "compressed_filepath": place})
        if cells:
            mlflow.log_artifacts(temporary, artifact_path=str(folder))
    mlflow.log_table(table.assign(**cells), artifact_file=file)
