"""Tables as CSV and Parquet, written atomically; a module of their own, since pandas imports slowly."""

import json
from typing import ClassVar

import pandas as pd
from kedro_datasets import pandas as kedro_pandas
from kedro_datasets._typing import TablePreview

from lexipix.datasets.base import AtomicFileMixin


class CsvDataset(AtomicFileMixin, kedro_pandas.CSVDataset):  # type: ignore[misc]
    """A table as CSV without an index column."""

    DEFAULT_FS_ARGS: ClassVar = {"open_args_save": {"mode": "w", "encoding": "utf-8"}}


class ParquetDataset(AtomicFileMixin, kedro_pandas.ParquetDataset):  # type: ignore[misc]
    """A table as Parquet without an index column."""

    DEFAULT_SAVE_ARGS: ClassVar = {"index": False}

    def preview(self, nrows: int = 20) -> TablePreview:
        """The first rows, for Kedro-Viz; cells may be lists."""
        return table_preview(self.load().head(nrows))


def table_preview(table: pd.DataFrame) -> TablePreview:
    """A table in the form that Kedro-Viz shows."""
    return TablePreview(json.loads(table.to_json(orient="split", default_handler=str)))
