"""Training curves: a table of losses and metrics over the images seen."""

from kedro_datasets._typing import PlotlyPreview

from lexipix.datasets.tables import CsvDataset

X = "images_seen"
VISIBLE_AT_FIRST = ("loss", "loss_g", "loss_d")


class CurvesDataset(CsvDataset):
    """A CSV table with one row per validation, which Kedro-Viz and DVC plot as curves."""

    # Kedro-Viz chooses the kind of preview by the annotation, which differs from the base class
    def preview(self) -> PlotlyPreview:
        """Every column over the images seen; only the losses are visible at first."""
        table = self.load().dropna(axis="columns", how="all")
        names = [name for name in table.select_dtypes("number") if name not in (X, "seconds")]
        lines = [
            {
                "type": "scatter",
                "mode": "lines+markers",
                "name": name,
                "x": table[X].tolist(),
                "y": [None if value != value else value for value in table[name].tolist()],  # JSON has no NaN
                "visible": True if name in VISIBLE_AT_FIRST else "legendonly",
            }
            for name in names
        ]
        return PlotlyPreview({"data": lines, "layout": {"xaxis": {"title": {"text": "images seen"}}}})
