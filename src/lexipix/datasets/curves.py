"""The curves of a training: a table over the images seen."""

from kedro_datasets._typing import PlotlyPreview

from lexipix.datasets.files import CsvDataset

X = "images_seen"
SHOWN_FIRST = ("loss", "loss_g", "loss_d")


class CurvesDataset(CsvDataset):
    """A table as CSV, a row for each report of a training, that Kedro-Viz and DVC draw as curves."""

    # Kedro-Viz chooses what to draw by the annotation, which differs from that of any other table
    def preview(self) -> PlotlyPreview:  # type: ignore[override]
        """Draw every figure over the images seen; those of other units are there at a click."""
        table = self.load().dropna(axis="columns", how="all")
        names = [name for name in table.select_dtypes("number") if name not in (X, "seconds")]
        lines = [
            {
                "type": "scatter",
                "mode": "lines+markers",
                "name": name,
                "x": table[X].tolist(),
                "y": [None if value != value else value for value in table[name].tolist()],  # NaN is no JSON
                "visible": True if name in SHOWN_FIRST else "legendonly",
            }
            for name in names
        ]
        return PlotlyPreview({"data": lines, "layout": {"xaxis": {"title": {"text": "images seen"}}}})
