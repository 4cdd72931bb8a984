"""The captioner as a service: images in, captions out. MLflow stores this file as the model's code."""

import base64
import threading
from io import BytesIO
from typing import Any

import numpy as np
import pandas as pd
from mlflow.models import set_model
from mlflow.pyfunc import PythonModel, PythonModelContext
from numpy.typing import NDArray

from lexipix.config.generation import ServingParameters
from lexipix.inference.caption_pipeline import CaptionPipeline
from lexipix.serving.refusals import MEGA, require_at_most, user_errors
from lexipix.serving.server_limits import protect_server
from lexipix.utils.errors import LexipixError

PICTURE = "picture"


class CaptionerService(PythonModel):  # type: ignore[misc]
    """Writes captions as ``kedro caption`` does.

    Its artifact is the model's folder. Its configuration holds the limits (``serving``) and how large or
    small an image may be (``image``).
    """

    def load_context(self, context: PythonModelContext) -> None:
        """Load the model and write one caption, so that no request waits for that."""
        (folder,) = context.artifacts.values()
        self._pipe = CaptionPipeline.from_pretrained(folder, **context.model_config["image"])
        self._limits = ServingParameters(**context.model_config["serving"])
        # Captioning uses all cores, and a large image much memory: requests take turns
        self._lock = threading.Lock()
        size = self._pipe.captioner.image_size
        self._pipe([np.zeros((size, size, 3), np.uint8)])
        protect_server(int(self._limits.max_request_mb * MEGA))

    def predict(
        self, context: PythonModelContext, model_input: pd.DataFrame, params: dict[str, Any] | None = None
    ) -> list[dict[str, str]]:
        """Write captions of a table's column ``picture``, image files in base64: a ``caption`` for each.

        Raises:
            Refused: An image cannot be used, or a limit is exceeded.
        """
        with user_errors():
            image_splits = list(model_input[PICTURE])
            require_at_most(len(image_splits), self._limits.max_images)
            with self._lock:
                images = [self._read(one, number) for number, one in enumerate(image_splits, 1)]
                return [{"caption": text} for text in self._pipe(images)]

    def _read(self, text: Any, number: int) -> NDArray[np.uint8]:
        max_mb = self._limits.max_image_mb
        try:
            too_large = len(text) * 3 / 4 > int(max_mb * MEGA) + 3
            content = b"" if too_large else base64.b64decode(text, validate=True)
        except (TypeError, ValueError):
            raise LexipixError(f"Picture {number} is not base64: encode the file's bytes.") from None
        if too_large:
            raise LexipixError(f"Picture {number} has more than {max_mb:g} MB: send a smaller file.")
        return self._pipe.read(BytesIO(content), f"Picture {number}")


set_model(CaptionerService())
