import numpy as np
import pandas as pd
import pytest
from tests.support.example_metrics import has_color

from lexipix.reporting import plots
from lexipix.reporting.plots import pareto_front
from lexipix.reporting.quality_plots import information_figure, rate_figure


@pytest.fixture(autouse=True)
def small_plots(monkeypatch):
    monkeypatch.setattr(plots, "DPI", 80)


RATES = pd.DataFrame(
    [
        ("latent", "1 bits", 768.0, 768.0, 20.0, 0.7),
        ("latent", "8 bits", 6144.0, 6144.0, 33.0, 0.97),
        ("jpeg", "quality 10", 5000.0, 500.0, 22.0, 0.7),
        ("jpeg", "quality 20", 5400.0, 900.0, 21.0, 0.75),
        ("jpeg", "quality 95", 12000.0, 8000.0, 36.0, 0.98),
    ],
    columns=["coder", "setting", "bits_per_image", "bits_without_headers", "psnr", "ssim"],
)


def test_every_measured_coder_is_plotted() -> None:
    figure = rate_figure(RATES, 1_000)
    assert figure.dtype == np.uint8 and figure.ndim == 3
    assert has_color(figure, (0xD1, 0x65, 0x1B)) and has_color(figure, (0x8A, 0xB4, 0xE0))
    assert not has_color(figure, (0x2F, 0x6D, 0xB5))  # no latent was entropy-coded


def test_a_setting_that_another_beats_is_not_connected() -> None:
    jpeg = RATES[RATES["coder"] == "jpeg"]
    assert pareto_front(jpeg, "bits_without_headers", "psnr")["setting"].tolist() == [
        "quality 10",
        "quality 95",
    ]
    assert len(pareto_front(jpeg, "bits_per_image", "ssim")) == 3


def test_rates_without_rows_give_a_note() -> None:
    assert rate_figure(RATES.head(0), 0).size


INFORMATION = pd.DataFrame(
    [
        ("nothing", "mean image", 0.0, 12.0, 0.1),
        ("class", "mean image of the class", 3.3, 13.0, 0.13),
        ("caption", "vae", 20.0, 14.0, 0.2),
        ("caption", "tokens", 20.0, 11.0, 0.1),
        ("tokens", "1 token of 4 cells", 60.0, 12.0, 0.15),
        ("tokens", "1 token of all cells", 660.0, 20.0, 0.5),
        ("tokens_alone", "1 token of 4 cells", 40.0, 12.5, 0.2),
        ("latent", "steps of 8", 1500.0, 28.0, 0.9),
        ("latent", "not rounded", 24_576.0, 30.0, 0.95),
    ],
    columns=["path", "setting", "bits_per_image", "psnr", "ssim"],
)


def test_every_path_is_plotted() -> None:
    figure = information_figure(INFORMATION, 100)
    assert figure.dtype == np.uint8 and figure.ndim == 3
    for color in ((0x2F, 0x6D, 0xB5), (0x8A, 0xB4, 0xE0), (0xD1, 0x65, 0x1B), (0x20, 0x21, 0x24)):
        assert has_color(figure, color)


def test_a_path_without_a_model_is_absent() -> None:
    figure = information_figure(INFORMATION[~INFORMATION["path"].str.startswith("tokens")], 100)
    assert not has_color(figure, (0x2F, 0x6D, 0xB5)) and not has_color(figure, (0x8A, 0xB4, 0xE0))
    assert has_color(figure, (0xD1, 0x65, 0x1B))


def test_information_without_rows_gives_a_note() -> None:
    assert information_figure(INFORMATION.head(0), 0).size
