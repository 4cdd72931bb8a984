"""Metrics and images of a running training, sent to the run's MLflow run.

A thread of MLflow sends them, since a write to the store may take longer than a training step. An error in
tracking is logged once and never stops a training.
"""

import logging
import math
import os
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

from lexipix.datasets.base import ServiceDataset
from lexipix.utils.types import MetricStream, NullMetricStream

if TYPE_CHECKING:
    import numpy as np
    from mlflow import MlflowClient

_log = logging.getLogger(__name__)


# The MLflow run of this process's Kedro run; MLflow's own active run is known to one thread only
_run: "tuple[MlflowClient, str] | None" = None


def stream_to(client: "MlflowClient | None", run_id: str = "") -> None:
    """Set the MLflow run that streams send to, in every thread; without a client they send nothing."""
    global _run
    _run = (client, run_id) if client is not None else None


class MlflowStream(MetricStream):
    """Sends to one MLflow run, with images seen as steps and names ``MODEL/METRIC``, which the UI groups."""

    def __init__(self, name: str, client: "MlflowClient", run_id: str) -> None:
        self._name = name
        self._client = client
        self._run_id = run_id
        self._warned: set[str] = set()

    def log(self, images_seen: int, values: Mapping[str, float]) -> None:
        """Send metrics; NaN and infinity are left out with one warning."""
        from mlflow.entities import Metric

        metrics = {f"{self._name}/{key}": float(value) for key, value in values.items()}
        finite = {key: value for key, value in metrics.items() if math.isfinite(value)}
        for key in metrics.keys() - finite.keys():
            self._warn_once(key, f"{key} is {metrics[key]} at {images_seen} images")
        try:
            now, step = int(time.time() * 1000), int(images_seen)
            points = [Metric(key, value, now, step) for key, value in finite.items()]
            self._client.log_batch(self._run_id, points, synchronous=False)
        except Exception as error:
            self._warn_once("log", f"metrics are not tracked ({error})")

    def image(self, key: str, images_seen: int, image: "np.ndarray") -> None:
        try:
            self._client.log_image(
                self._run_id, image, key=f"{self._name}/{key}", step=int(images_seen), synchronous=False
            )
        except Exception as error:
            self._warn_once("image", f"images are not tracked ({error})")

    def _warn_once(self, topic: str, message: str) -> None:
        if topic not in self._warned:
            self._warned.add(topic)
            _log.warning("Tracking: %s.", message)


class MetricStreamDataset(ServiceDataset[MetricStream]):
    """Loads as a stream of the model ``name`` to the MLflow run, or as one that drops everything."""

    def __init__(self, *, name: str) -> None:
        self.name = name

    def load(self) -> MetricStream:
        if _run is None or os.environ.get("LEXIPIX_MLFLOW") == "0":
            return NullMetricStream()
        return MlflowStream(self.name, *_run)
