"""The generator as a service: prompts in, PNG files out. MLflow stores this file as the model's code."""

import base64
import json
import threading
from typing import Any

import numpy as np
import pandas as pd
from mlflow.models import set_model
from mlflow.pyfunc import PythonModel, PythonModelContext

from lexipix.config.generation import MAX_SEED, ServingParameters
from lexipix.inference.prompt_checks import shown
from lexipix.inference.text_to_image_pipeline import TextToImagePipeline
from lexipix.serving.refusals import MEGA, require_at_most, user_errors
from lexipix.serving.server_limits import protect_server
from lexipix.utils.errors import LexipixError
from lexipix.utils.png import encode_png

PROMPT = "prompt"
PARAMETERS = ("seed", "count", "quality", "candidates")


class GeneratorService(PythonModel):  # type: ignore[misc]
    """Draws images of prompts as ``kedro generate`` does: the same seed gives the same bytes.

    Its artifact is the champion's folder. Its configuration holds the limits (``serving``).
    """

    def load_context(self, context: PythonModelContext) -> None:
        """Load every variant and draw one image with it, so that no request waits for that."""
        (folder,) = context.artifacts.values()
        self._pipe = TextToImagePipeline.from_pretrained(folder)
        self._limits = ServingParameters(**context.model_config["serving"])
        # Drawing uses all cores and the generators keep encoded prompts: requests take turns
        self._lock = threading.Lock()
        for quality in self._pipe.variants:
            _, generator = self._pipe.generator(quality)
            image = generator.generate([""], np.zeros((1, generator.noise_dim), np.float32))
            self._pipe.scorer.embed_images(image)
        protect_server(int(self._limits.max_request_mb * MEGA))

    def predict(
        self, context: PythonModelContext, model_input: pd.DataFrame, params: dict[str, Any] | None = None
    ) -> list[dict[str, Any]]:
        """Draw images of a table's column ``prompt``: a row for each, with the PNG file in base64.

        The parameters are ``seed``, ``count`` (images of each prompt), ``quality`` and ``candidates`` (images
        drawn for each, of which the best is returned). MLflow adds those that a request does not name.

        Raises:
            Refused: A prompt cannot be drawn, or a limit is exceeded.
        """
        with user_errors():
            known, prompts = params or {}, list(model_input[PROMPT])
            for name in PARAMETERS:
                if known.get(name) is None:
                    raise LexipixError(f"{name} is null: remove it, or give a value.")
            seed, count, quality, candidates = (known[name] for name in PARAMETERS)
            self._check(prompts, seed, count, candidates)
            with self._lock:
                output = self._pipe(prompts, count, int(seed), quality, candidates, score=candidates > 1)
        return [
            {
                PROMPT: output.prompts[number],
                "index": output.indices[number],
                "seed": output.seeds[number],
                "model": output.model,
                "png": base64.b64encode(encode_png(image)).decode(),
                "warning": output.warnings[number],
            }
            for number, image in enumerate(output.pixels)
        ]

    def _check(self, prompts: list[Any], seed: int, count: int, candidates: int) -> None:
        if not 0 <= seed <= MAX_SEED:
            raise LexipixError(f"seed is {seed}: it must be a whole number from 0 to {MAX_SEED:,}.")
        for name, number in (("count", count), ("candidates", candidates)):
            if number < 1:
                raise LexipixError(f"{name} is {number}: it must be 1 or more.")
        require_at_most(len(prompts) * count * candidates, self._limits.max_images)
        max_chars = self._limits.max_prompt_chars
        for prompt in prompts:
            if not isinstance(prompt, str):
                raise LexipixError(f"A prompt is text, not {json.dumps(prompt, default=str)[:40]}.")
            if len(prompt) > max_chars:
                raise LexipixError(
                    f"The prompt {shown(prompt)} has {len(prompt):,} characters, more than {max_chars:,}: "
                    "shorten it."
                )


set_model(GeneratorService())
