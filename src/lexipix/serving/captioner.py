"""The captioner as a service: pictures in, captions out. MLflow keeps this file as the model's code."""

import base64
import binascii
import threading
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from mlflow.models import set_model
from mlflow.pyfunc import PythonModel, PythonModelContext
from numpy.typing import NDArray

from lexipix.config.generation import ServingParameters
from lexipix.config.ingestion import IngestionParameters
from lexipix.datasets.sources.images import Unusable, read_image
from lexipix.inference.onnx_models import OnnxCaptioner
from lexipix.serving.refusals import MEGA, limit_requests, require_at_most, user_errors
from lexipix.utils.errors import LexipixError
from lexipix.utils.model_files import read_json, read_onnx_model

PICTURE = "picture"


class CaptionerService(PythonModel):  # type: ignore[misc]
    """Describes pictures as ``kedro caption`` does.

    Its artifacts are ``captioner`` (the model's folder), ``settings`` (the limits) and ``ingestion`` (how a
    picture file becomes what the model looks at).
    """

    def load_context(self, context: PythonModelContext) -> None:
        """Load the model and describe with it once, so that no request waits for that."""
        places = {name: Path(place) for name, place in context.artifacts.items()}
        self._describer = OnnxCaptioner(read_onnx_model(places["captioner"]))
        self._limits = ServingParameters(**read_json(places["settings"]))
        self._ingestion = IngestionParameters(
            **{**read_json(places["ingestion"]), "image_size": self._describer.image_size}
        )
        # Describing takes all cores, and a large picture much memory: requests take turns.
        self._turn = threading.Lock()
        size = self._describer.image_size
        self._describer.caption(np.zeros((1, size, size, 3), np.uint8))
        limit_requests(int(self._limits.max_request_mb * MEGA))

    def predict(
        self, context: PythonModelContext, model_input: pd.DataFrame, params: dict[str, Any] | None = None
    ) -> list[dict[str, str]]:
        """Describe.

        Args:
            context: What ``load_context`` was given.
            model_input: A table with the column ``picture``: files of any format that Pillow reads, in
                base64.
            params: There are none.

        Returns:
            A row with a ``caption`` for each picture.

        Raises:
            Refused: A picture cannot be used, or a limit is passed.
        """
        with user_errors():
            pictures = list(model_input[PICTURE])
            require_at_most(len(pictures), self._limits.max_pictures)
            with self._turn:
                images = np.stack([self._read(one, number) for number, one in enumerate(pictures, 1)])
                return [{"caption": text} for text in self._describer.caption(images)]

    def _read(self, text: Any, number: int) -> NDArray[np.uint8]:
        max_bytes = int(self._limits.max_picture_mb * MEGA)
        try:
            if len(text) * 3 / 4 > max_bytes + 3:
                raise Unusable(f"it has more than {self._limits.max_picture_mb:g} MB")
            return read_image(BytesIO(base64.b64decode(text, validate=True)), self._ingestion)
        except (binascii.Error, TypeError, ValueError):
            raise LexipixError(f"Picture {number} is not base64: send the file's bytes so.") from None
        except Unusable as reason:
            raise LexipixError(f"Picture {number} cannot be used: {reason}.") from None


set_model(CaptionerService())
