"""Metrics and images of a running training, sent to the open MLflow run.

A thread of MLflow sends them, since a write to the store may take longer than a training step. An error in
tracking is logged once and never stops a training.
"""

import logging
import math
import os
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING

from lexipix.datasets.base import ServiceDataset
from lexipix.utils.types import MetricStream, NullMetricStream

if TYPE_CHECKING:
    import numpy as np

_log = logging.getLogger(__name__)


class MlflowStream(MetricStream):
    """Sends to one MLflow run, with images seen as steps and names ``MODEL/METRIC``, which the UI groups."""

    def __init__(self, name: str, run_id: str) -> None:
        self._name = name
        self._run_id = run_id
        self._warned: set[str] = set()

    def log(self, images_seen: int, values: Mapping[str, float]) -> None:
        """Send metrics; NaN and infinity are left out with one warning."""
        import mlflow

        metrics = {f"{self._name}/{key}": float(value) for key, value in values.items()}
        finite = {key: value for key, value in metrics.items() if math.isfinite(value)}
        for key in metrics.keys() - finite.keys():
            self._warn_once(key, f"{key} is {metrics[key]} at {images_seen} images")
        try:
            mlflow.log_metrics(finite, step=int(images_seen), synchronous=False, run_id=self._run_id)
        except Exception as error:
            self._warn_once("log", f"metrics are not tracked ({error})")

    def image(self, key: str, images_seen: int, image: "np.ndarray") -> None:
        from mlflow import MlflowClient

        try:
            MlflowClient().log_image(
                self._run_id, image, key=f"{self._name}/{key}", step=int(images_seen), synchronous=False
            )
        except Exception as error:
            self._warn_once("image", f"images are not tracked ({error})")

    def _warn_once(self, topic: str, message: str) -> None:
        if topic not in self._warned:
            self._warned.add(topic)
            _log.warning("Tracking: %s.", message)


class MetricStreamDataset(ServiceDataset[MetricStream]):
    """Loads as a stream of the model ``name`` to the open MLflow run, or as one that drops everything."""

    def __init__(self, *, name: str) -> None:
        self.name = name

    def load(self) -> MetricStream:
        # A run can only be open if MLflow was imported already; otherwise this saves the import.
        if "mlflow" not in sys.modules or os.environ.get("LEXIPIX_MLFLOW") == "0":
            return NullMetricStream()
        import mlflow

        run = mlflow.active_run()
        return MlflowStream(self.name, run.info.run_id) if run is not None else NullMetricStream()
