"""Tables with thumbnails in an MLflow run."""

import re
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from lexipix.datasets.image_table import image_columns
from lexipix.utils.png import encode_png

if TYPE_CHECKING:
    import pandas as pd
    from mlflow import MlflowClient


def log_table(client: "MlflowClient", run_id: str, table: "pd.DataFrame", file: str) -> None:
    """Log a table to a run as ``file``; cells with images, uint8 (H, W, 3), become thumbnails.

    ``mlflow.log_table`` would store each image as two files, with a call for each; here one call logs all.
    """
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
            client.log_artifacts(run_id, temporary, str(folder))
    client.log_table(run_id, table.assign(**cells), file)
