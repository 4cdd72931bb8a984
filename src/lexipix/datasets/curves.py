"""Training curves: a table of losses and metrics over the images seen."""

from lexipix.datasets.previews import PlotlyPreview
from lexipix.datasets.tables import CsvDataset

X = "images_seen"
VISIBLE_AT_FIRST = ("loss", "loss_g", "loss_d")


class CurvesDataset(CsvDataset):
    """A CSV table with one row per validation, which Kedro-Viz and DVC plot as curves."""

    def preview(self) -> PlotlyPreview:
        """Every column over the images seen; only the losses are visible at first."""
        table = self.load().dropna(axis="columns", how="all")
        lines = [
            {
                "type": "scatter",
                "mode": "lines+markers",
                "name": name,
                "x": table[X].tolist(),
                "y": table[name].astype(object).where(table[name].notna(), None).tolist(),  # JSON has no NaN
                "visible": True if name in VISIBLE_AT_FIRST else "legendonly",
            }
            for name in table.select_dtypes("number").columns.difference([X, "seconds"], sort=False)
        ]
        return PlotlyPreview({"data": lines, "layout": {"xaxis": {"title": {"text": "images seen"}}}})
