"""What Kedro-Viz is given to draw; it chooses how by the name of the annotation of ``preview``."""

import base64
import io
import json
import typing

import numpy as np
import pandas as pd
from PIL import Image

from lexipix.datasets.curves import CurvesDataset
from lexipix.datasets.files import ImageArrayDataset
from lexipix.datasets.image_store import ImageStoreDataset
from lexipix.datasets.models import ModelFolderDataset
from lexipix.datasets.onnx_models import OnnxModelDataset
from lexipix.datasets.previews import preview_images
from lexipix.utils.types import ModelBundle, OnnxModel


def decode(preview):
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(preview))).convert("RGB"))


def kind(dataset):
    return typing.get_type_hints(dataset.preview)["return"].__name__


def test_pictures_are_laid_out_in_rows_and_enlarged():
    images = np.zeros((10, 32, 32, 3), np.uint8)
    images[:] = np.arange(10)[:, None, None, None] * 20
    sheet = decode(preview_images(images))
    assert sheet.shape == (2 * 96, 8 * 96, 3)
    assert [sheet[0, 96 * column, 0] for column in range(8)] == [20 * column for column in range(8)]
    assert [sheet[96, 96 * column, 0] for column in range(3)] == [160, 180, 255]  # the rest stays white


def test_an_array_and_a_store_show_pictures(tmp_path):
    dataset = ImageArrayDataset(filepath=str(tmp_path / "pictures.npy"))
    dataset.save(np.full((3, 128, 128, 3), 7, np.uint8))
    assert decode(dataset.preview())[0, 0].tolist() == [7, 7, 7]
    assert kind(ImageArrayDataset) == kind(ImageStoreDataset) == "ImagePreview"


def test_curves_are_lines_over_the_images_seen(tmp_path):
    dataset = CurvesDataset(filepath=str(tmp_path / "vae.csv"))
    dataset.save(
        pd.DataFrame({"images_seen": [1, 2], "seconds": [0.1, 0.2], "loss": [2.0, None], "kl": [1, 3]})
    )
    figure = dataset.preview()
    assert json.loads(json.dumps(figure, allow_nan=False)) == figure
    lines = {line["name"]: line for line in figure["data"]}
    assert set(lines) == {"loss", "kl"}
    assert lines["loss"]["x"] == [1, 2] and lines["loss"]["y"] == [2.0, None]
    assert lines["loss"]["visible"] is True and lines["kl"]["visible"] == "legendonly"
    assert kind(CurvesDataset) == "PlotlyPreview"


def test_a_model_shows_its_card(tmp_path):
    card = {"data_digest": "d1", "metrics": {"psnr": 30.5}}
    model = ModelFolderDataset(filepath=str(tmp_path / "vae"))
    model.save(ModelBundle(config={}, weights={}, tokenizer=None, card=card))
    exported = OnnxModelDataset(filepath=str(tmp_path / "onnx"))
    exported.save(OnnxModel(config={}, graphs={"draw": b""}, tokenizer=None, card=card))
    for dataset in (model, exported):
        shown = json.loads(dataset.preview())
        assert shown["metrics"] == {"psnr": 30.5} and shown["data_digest"] == "d1"
        assert kind(type(dataset)) == "JSONPreview"
