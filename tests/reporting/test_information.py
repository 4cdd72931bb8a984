import numpy as np
import pandas as pd
from tests.support.example_metrics import has_color

from lexipix.reporting.information import information_figure

COLUMNS = ["path", "setting", "bits_per_image", "psnr", "ssim"]
TABLE = pd.DataFrame(
    [
        ("nothing", "mean picture", 0.0, 12.0, 0.1),
        ("class", "mean picture of the class", 3.3, 13.0, 0.13),
        ("caption", "vae", 20.0, 14.0, 0.2),
        ("caption", "words", 20.0, 11.0, 0.1),
        ("words", "1 word of 4 cells", 60.0, 12.0, 0.15),
        ("words", "1 word of all cells", 660.0, 20.0, 0.5),
        ("words_alone", "1 word of 4 cells", 40.0, 12.5, 0.2),
        ("latent", "steps of 8", 1500.0, 28.0, 0.9),
        ("latent", "not rounded", 24_576.0, 30.0, 0.95),
    ],
    columns=COLUMNS,
)


def test_every_path_is_drawn() -> None:
    figure = information_figure(TABLE, 100)
    assert figure.dtype == np.uint8 and figure.ndim == 3
    for color in ((0x2F, 0x6D, 0xB5), (0x8A, 0xB4, 0xE0), (0xD1, 0x65, 0x1B), (0x20, 0x21, 0x24)):
        assert has_color(figure, color)


def test_a_path_without_a_model_is_absent() -> None:
    figure = information_figure(TABLE[~TABLE["path"].str.startswith("words")], 100)
    assert not has_color(figure, (0x2F, 0x6D, 0xB5)) and not has_color(figure, (0x8A, 0xB4, 0xE0))
    assert has_color(figure, (0xD1, 0x65, 0x1B))


def test_nothing_measured() -> None:
    assert information_figure(TABLE.head(0), 0).size
