import numpy as np
import pandas as pd
from tests.support.example_metrics import has_color

from lexipix.reporting.rate import rate_figure, unbeaten

TABLE = pd.DataFrame(
    [
        ("latent", "1 bits", 768.0, 768.0, 20.0, 0.7),
        ("latent", "8 bits", 6144.0, 6144.0, 33.0, 0.97),
        ("jpeg", "quality 10", 5000.0, 500.0, 22.0, 0.7),
        ("jpeg", "quality 20", 5400.0, 900.0, 21.0, 0.75),
        ("jpeg", "quality 95", 12000.0, 8000.0, 36.0, 0.98),
    ],
    columns=["coder", "setting", "bits_per_image", "bits_without_headers", "psnr", "ssim"],
)


def test_every_coder_that_was_measured_is_drawn() -> None:
    figure = rate_figure(TABLE, 1_000)
    assert figure.dtype == np.uint8 and figure.ndim == 3
    assert has_color(figure, (0xD1, 0x65, 0x1B)) and has_color(figure, (0x8A, 0xB4, 0xE0))
    assert not has_color(figure, (0x2F, 0x6D, 0xB5))  # none was entropy-coded


def test_a_setting_that_another_beats_is_not_joined() -> None:
    jpeg = TABLE[TABLE["coder"] == "jpeg"]
    assert unbeaten(jpeg, "bits_without_headers", "psnr")["setting"].tolist() == ["quality 10", "quality 95"]
    assert len(unbeaten(jpeg, "bits_per_image", "ssim")) == 3


def test_nothing_measured() -> None:
    assert rate_figure(TABLE.head(0), 0).size
