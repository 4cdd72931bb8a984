"""What a training tells while it runs, forwarded to the MLflow run that is open, if any.

A write to the tracking store takes milliseconds, a training step sometimes less: figures are handed to a
thread of MLflow's, which sends them in batches. Trouble with tracking is told once, and never stops a
training.
"""

import logging
import math
import os
import sys
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NoReturn

from kedro.io import AbstractDataset

from lexipix.utils.types import MetricStream, NullMetricStream

if TYPE_CHECKING:
    import numpy as np

_log = logging.getLogger(__name__)


class MlflowStream:
    """Forwards to one MLflow run; the step axis counts images seen.

    Args:
        name: What is being trained; figures appear as ``NAME/FIGURE``, which the MLflow UI groups.
        run_id: The run to write to.
    """

    def __init__(self, name: str, run_id: str) -> None:
        self._name = name
        self._run_id = run_id
        self._told: set[str] = set()

    def log(self, images_seen: int, values: Mapping[str, float]) -> None:
        """Send figures; one that is not finite is left out and told once."""
        from mlflow import MlflowClient
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        metrics = []
        for key, value in values.items():
            figure = float(value)
            if math.isfinite(figure):
                metrics.append(Metric(f"{self._name}/{key}", figure, now, int(images_seen)))
            else:
                self._tell_once(key, f"{self._name}/{key} is {figure} at {images_seen} images")
        if metrics:
            try:
                MlflowClient().log_batch(self._run_id, metrics=metrics, synchronous=False)
            except Exception as error:  # whatever the store's trouble is, the training is worth more
                self._tell_once("log", f"figures are not tracked ({error})")

    def image(self, key: str, images_seen: int, image: "np.ndarray") -> None:
        """Send one picture, uint8 (H, W, 3), as ``NAME/KEY``."""
        from mlflow import MlflowClient

        try:
            MlflowClient().log_image(
                self._run_id, image, key=f"{self._name}/{key}", step=int(images_seen), synchronous=False
            )
        except Exception as error:
            self._tell_once("image", f"pictures are not tracked ({error})")

    def _tell_once(self, what: str, message: str) -> None:
        if what not in self._told:
            self._told.add(what)
            _log.warning("Tracking: %s.", message)


class MetricStreamDataset(AbstractDataset[NoReturn, MetricStream]):
    """Loads as a stream to the open MLflow run, or as one that nobody listens to.

    Args:
        name: What is being trained, the first part of every figure's name.
        metadata: For others to read.
    """

    def __init__(self, *, name: str, metadata: dict[str, Any] | None = None) -> None:
        self.name = name
        self.metadata = metadata

    def load(self) -> MetricStream:
        # A run can only be open where somebody has imported MLflow already; this saves the import otherwise.
        if "mlflow" not in sys.modules or os.environ.get("LEXIPIX_MLFLOW") == "0":
            return NullMetricStream()
        import mlflow

        run = mlflow.active_run()
        return MlflowStream(self.name, run.info.run_id) if run is not None else NullMetricStream()

    def save(self, data: NoReturn) -> None:
        raise TypeError("a metric stream is written to by the training itself")

    def _exists(self) -> bool:
        return True

    def _describe(self) -> dict[str, Any]:
        return {"name": self.name}
