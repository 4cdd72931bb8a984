"""The generator as a service: prompts in, PNG files out. MLflow keeps this file as the model's code."""

import base64
import json
import threading
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from mlflow.models import set_model
from mlflow.pyfunc import PythonModel, PythonModelContext

from lexipix.config.generation import MAX_SEED, ServingParameters
from lexipix.inference.best_of import BestOfConfig, best_of
from lexipix.inference.onnx_models import OnnxGenerator, Scorer
from lexipix.inference.prompt_checks import CheckedPrompt, check_prompt, shown
from lexipix.inference.selection import WHOLE, Choice, choose
from lexipix.serving.refusals import MEGA, limit_requests, require_at_most, user_errors
from lexipix.utils.errors import LexipixError
from lexipix.utils.model_files import read_json, read_onnx_model
from lexipix.utils.png import encode_png

PROMPT = "prompt"


class GeneratorService(PythonModel):  # type: ignore[misc]
    """Draws pictures of prompts as ``kedro generate`` does: the same seed gives the same bytes.

    Its artifacts are ``champion`` (which forms there are and which budget takes which), ``scorer`` (which
    chooses among candidates), ``settings`` (the limits), and each form's folder under the form's name.
    """

    def load_context(self, context: PythonModelContext) -> None:
        """Find the forms, load each and draw with it once, scored, so that no request waits for that."""
        self._artifacts = {name: Path(place) for name, place in context.artifacts.items()}
        self._champion = read_json(self._artifacts["champion"])
        self._limits = ServingParameters(**read_json(self._artifacts["settings"]))
        self._drawer = cache(self._load)
        self._scorer = Scorer(read_onnx_model(self._artifacts["scorer"]))
        # Drawing takes all cores and remembers prompts: requests take turns.
        self._turn = threading.Lock()
        for budget in self._champion["budgets"]:
            drawer = self._choice(budget)[1]
            best_of(drawer, self._scorer, [""], np.zeros(1, np.int64), 0, BestOfConfig())
        limit_requests(int(self._limits.max_request_mb * MEGA))

    def predict(
        self, context: PythonModelContext, model_input: pd.DataFrame, params: dict[str, Any] | None = None
    ) -> list[dict[str, Any]]:
        """Draw.

        Args:
            context: What ``load_context`` was given.
            model_input: A table with the column ``prompt``.
            params: ``seed``, ``count`` (pictures of each prompt), ``budget`` and ``candidates`` (pictures
                drawn for each, of which the best is given), all of them; MLflow fills in what a request
                leaves out.

        Returns:
            A row for each picture: its prompt, which of the prompt's pictures it is, the seed, the model's
            name, the PNG file in base64, and a sentence where the model will make little of the prompt.

        Raises:
            Refused: A prompt cannot be drawn, or a limit is passed.
        """
        with user_errors():
            names = ("seed", "count", "budget", "candidates")
            seed, count, budget, candidates = (_given(params or {}, name) for name in names)
            prompts = list(model_input[PROMPT])
            self._check(prompts, seed, count, budget, candidates)
            with self._turn:
                choice, drawer = self._choice(budget)
                checked = [self._checked(prompt, drawer) for prompt in prompts]
                texts = [one.text for one in checked for _ in range(count)]
                indices = np.arange(len(texts)) % count
                scorer = self._scorer if candidates > 1 else None
                images = best_of(drawer, scorer, texts, indices, seed, BestOfConfig(candidates)).images
            return [
                {
                    PROMPT: checked[number // count].text,
                    "index": number % count,
                    "seed": int(seed),
                    "model": choice.name,
                    "png": base64.b64encode(encode_png(image)).decode(),
                    "warning": " ".join(checked[number // count].warnings),
                }
                for number, image in enumerate(images)
            ]

    def _check(self, prompts: list[Any], seed: int, count: int, budget: str, candidates: int) -> None:
        if not 0 <= seed <= MAX_SEED:
            raise LexipixError(f"seed is {seed}: it must be a whole number from 0 to {MAX_SEED:,}.")
        if budget not in self._champion["budgets"]:
            known = ", ".join(self._champion["budgets"])
            raise LexipixError(f"budget is {shown(budget)}: choose from {known}.")
        for name, number in (("count", count), ("candidates", candidates)):
            if number < 1:
                raise LexipixError(f"{name} is {number}: it must be 1 or more.")
        require_at_most(len(prompts) * count * candidates, self._limits.max_pictures)

    def _checked(self, prompt: Any, drawer: OnnxGenerator) -> CheckedPrompt:
        if not isinstance(prompt, str):
            raise LexipixError(f"A prompt is text, not {json.dumps(prompt, default=str)[:40]}.")
        if len(prompt) > self._limits.max_prompt_chars:
            raise LexipixError(
                f"The prompt {shown(prompt)} has {len(prompt):,} characters: at most "
                f"{self._limits.max_prompt_chars:,} are read; shorten it."
            )
        return check_prompt(prompt, drawer)

    def _choice(self, budget: str) -> tuple[Choice, OnnxGenerator]:
        choice = choose(self._champion, budget=budget)
        return choice, self._drawer(choice.form or WHOLE)

    def _load(self, form: str) -> OnnxGenerator:
        return OnnxGenerator(read_onnx_model(self._artifacts[form]))


def _given(params: Mapping[str, Any], name: str) -> Any:
    if params.get(name) is None:
        raise LexipixError(f"{name} is null: leave it out, or say a value.")
    return params[name]


set_model(GeneratorService())
