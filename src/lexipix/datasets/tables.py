"""Tables as CSV and Parquet, written atomically; a module of their own, since pandas imports slowly."""

from typing import ClassVar

from kedro_datasets import pandas as kedro_pandas

from lexipix.datasets.base import KedroFileMixin
from lexipix.datasets.previews import TablePreview, preview_table


class CsvDataset(KedroFileMixin, kedro_pandas.CSVDataset):  # type: ignore[misc]
    """A table as CSV without an index column."""

    DEFAULT_FS_ARGS: ClassVar = {"open_args_save": {"mode": "w", "encoding": "utf-8"}}


class ParquetDataset(KedroFileMixin, kedro_pandas.ParquetDataset):  # type: ignore[misc]
    """A table as Parquet without an index column."""

    DEFAULT_SAVE_ARGS: ClassVar = {"index": False}

    def preview(self, nrows: int = 20) -> TablePreview:
        """The first rows, for Kedro-Viz."""
        return preview_table(self.load().head(nrows))
