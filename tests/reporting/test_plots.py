import numpy as np
import pandas as pd
import pytest
from tests.support.example_metrics import has_color

from lexipix.reporting.plots import (
    _panels,
    _wants_logarithm,
    curves_figure,
    frontier_figure,
    pareto_front,
)

CURVES = pd.DataFrame(
    {
        "images_seen": [100, 200, 300],
        "seconds": [1.0, 2.0, 3.0],
        "loss": [3.0, 1.0, 0.5],
        "precision": ["fp32", "fp32", "fp32"],
        "val_loss": [3.1, np.nan, 0.7],
        "never": [np.nan] * 3,
        "val_psnr": [20.0, 25.0, 28.0],
    }
)


def test_validation_shares_the_panel_of_its_metric_and_clocks_have_none() -> None:
    assert _panels(CURVES) == {"loss": ["loss", "val_loss"], "psnr": ["val_psnr"]}


def test_the_objective_is_drawn_only_where_no_other_validation_is() -> None:
    objective = pd.DataFrame({"images_seen": [1], "loss": [1.0], "val_objective": [1.0]})
    assert "objective" in _panels(objective)
    assert "objective" not in _panels(objective.assign(val_psnr=[20.0]))


def test_curves_are_drawn_in_their_colors() -> None:
    figure = curves_figure(CURVES)
    assert figure.dtype == np.uint8 and figure.ndim == 3
    assert has_color(figure, (0x2F, 0x6D, 0xB5)) and has_color(figure, (0xD1, 0x65, 0x1B))


@pytest.mark.parametrize("curves", [pd.DataFrame(), CURVES[["images_seen"]], CURVES.head(0), CURVES.head(1)])
def test_little_or_nothing_to_draw(curves: pd.DataFrame) -> None:
    assert curves_figure(curves).size


def test_a_wide_range_gets_a_logarithmic_scale() -> None:
    assert _wants_logarithm(pd.DataFrame({"loss": [100.0, 1.0]}))
    assert not _wants_logarithm(pd.DataFrame({"loss": [10.0, 1.0]}))
    assert not _wants_logarithm(pd.DataFrame({"loss": [100.0, -1.0]}))
    assert not _wants_logarithm(pd.DataFrame({"loss": [np.nan]}))


def test_plotting_leaves_no_open_figure() -> None:
    import matplotlib.pyplot as plt

    curves_figure(CURVES)
    assert plt.get_fignums() == []


def test_the_front_holds_the_pareto_optimal_settings() -> None:
    settings = pd.DataFrame(
        {"cost": [-10.0, -9.0, -50.0, -90.0, -80.0], "quality": [0.0, -5.0, -1.0, -4.0, -6.0]},
        ["slow", "beaten", "middle", "fast", "bad"],
    )
    assert pareto_front(settings, "cost", "quality").index.tolist() == ["fast", "middle", "slow"]
    assert len(pareto_front(settings.head(0), "cost", "quality")) == 0


def test_the_frontier_highlights_the_champion_and_leaves_out_variants_that_were_not_evaluated():
    table = {
        "a": {"images_per_s": 10.0, "quality_loss": 0.0},
        "b": {"images_per_s": 50.0, "quality_loss": 0.01},
    }
    assert has_color(frontier_figure(table, "b"), (0xD1, 0x65, 0x1B))
    assert not has_color(frontier_figure(table, None), (0xD1, 0x65, 0x1B))
    assert frontier_figure({"a": {"images_per_s": 1.0}}).size
