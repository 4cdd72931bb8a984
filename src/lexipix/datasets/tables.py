"""Tables as CSV and Parquet, written atomically; a module of their own, since pandas imports slowly."""

from pathlib import Path
from typing import Any, ClassVar

import pandas as pd
from kedro_datasets import pandas as kedro_pandas

from lexipix.datasets.base import KedroFileMixin
from lexipix.datasets.previews import TablePreview, preview_table


class CsvDataset(KedroFileMixin, kedro_pandas.CSVDataset):  # type: ignore[misc]
    """A table as CSV without an index column."""

    DEFAULT_FS_ARGS: ClassVar = {"open_args_save": {"mode": "w", "encoding": "utf-8"}}


class ParquetDataset(KedroFileMixin, kedro_pandas.ParquetDataset):  # type: ignore[misc]
    """A table as Parquet without an index column."""

    DEFAULT_SAVE_ARGS: ClassVar = {"index": False}

    def _write(self, path: Path, data: Any) -> None:
        # Those of captions in shards have lists of Arrow, whose names pandas writes but cannot read
        kinds = {name: object for name, kind in data.dtypes.items() if isinstance(kind, pd.ArrowDtype)}
        super()._write(path, data.astype(kinds))

    def preview(self, nrows: int = 20) -> TablePreview:
        """The first rows, for Kedro-Viz."""
        return preview_table(self.load().head(nrows))
