import logging
import os
import subprocess
import sys
from threading import Thread

import mlflow
import numpy as np
import pytest

from lexipix.datasets.metric_stream import MetricStreamDataset, stream_to
from lexipix.utils.types import NullMetricStream


@pytest.fixture
def run(tmp_path, monkeypatch, empty_mlflow_store):
    monkeypatch.delenv("LEXIPIX_MLFLOW", raising=False)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "")
    mlflow.set_tracking_uri(empty_mlflow_store)
    experiment = mlflow.create_experiment("stream", artifact_location=(tmp_path / "artifacts").as_uri())
    client = mlflow.MlflowClient()
    run = client.create_run(experiment)
    stream_to(client, run.info.run_id)
    yield run
    stream_to(None)


def history(run, key):
    mlflow.flush_async_logging()
    return [
        (metric.step, metric.value)
        for metric in mlflow.MlflowClient().get_metric_history(run.info.run_id, key)
    ]


def test_curve_reaches_the_open_run_counted_in_images(run):
    stream = MetricStreamDataset(name="vae").load()
    for images_seen in (64, 128, 192):
        stream.log(images_seen, {"loss": 1 / images_seen, "psnr": np.float32(20)})
    assert history(run, "vae/loss") == [(64, 1 / 64), (128, 1 / 128), (192, 1 / 192)]
    assert history(run, "vae/psnr") == [(64, 20), (128, 20), (192, 20)]


def test_nan_is_left_out_with_one_warning(run, caplog):
    stream = MetricStreamDataset(name="gan").load()
    with caplog.at_level(logging.WARNING):
        for images_seen in (1, 2):
            stream.log(images_seen, {"loss": float("nan"), "seconds": images_seen})
    assert history(run, "gan/loss") == []
    assert history(run, "gan/seconds") == [(1, 1), (2, 2)]
    assert caplog.text.count("gan/loss is nan") == 1


def test_picture_reaches_the_open_run(run, tmp_path):
    stream = MetricStreamDataset(name="vae").load()
    stream.image("samples", 64, np.zeros((8, 8, 3), np.uint8))
    with mlflow.start_run(run.info.run_id):  # it flushes the files of an active run
        mlflow.flush_artifact_async_logging()
    image_splits = list((tmp_path / "artifacts").rglob("*.png"))
    assert len(image_splits) == 1
    assert "vae" in image_splits[0].name and "samples" in image_splits[0].name


def test_broken_store_never_stops_a_training(run, caplog, monkeypatch):
    def broken(*_args, **_kwargs):
        raise RuntimeError("store is gone")

    monkeypatch.setattr(mlflow.MlflowClient, "log_batch", broken)
    monkeypatch.setattr(mlflow.MlflowClient, "log_image", broken)
    stream = MetricStreamDataset(name="vae").load()
    with caplog.at_level(logging.WARNING):
        for images_seen in (1, 2):
            stream.log(images_seen, {"loss": 1})
            stream.image("samples", images_seen, np.zeros((8, 8, 3), np.uint8))
    assert caplog.text.count("store is gone") == 2


def test_a_stream_of_another_thread_reaches_the_same_run(run):
    def train():
        MetricStreamDataset(name="vae").load().log(64, {"loss": 1})

    thread = Thread(target=train)
    thread.start()
    thread.join()
    assert history(run, "vae/loss") == [(64, 1)]
    assert len(mlflow.MlflowClient().search_runs([run.info.experiment_id])) == 1


def test_nobody_listens_without_a_run():
    assert isinstance(MetricStreamDataset(name="vae").load(), NullMetricStream)


def test_switched_off(run, monkeypatch):
    monkeypatch.setenv("LEXIPIX_MLFLOW", "0")
    assert isinstance(MetricStreamDataset(name="vae").load(), NullMetricStream)


def test_without_a_run_mlflow_is_not_even_imported():
    code = (
        "import sys; from lexipix.datasets.metric_stream import MetricStreamDataset as M\n"
        "stream = M(name='vae').load(); stream.log(1, {'loss': 1.0}); assert 'mlflow' not in sys.modules\n"
        "assert 'torch' not in sys.modules and 'pandas' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env=os.environ)
